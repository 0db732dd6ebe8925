//! The partitions of the runs. Each has a recorder and a recording of its own.

use std::sync::Arc;

use redis_core::Layout;
use redis_core::key::{hash_slot, spread_tags};

use crate::run_channels::run_name;

/// How many there are on a Cluster. All instances must agree on them.
const ON_CLUSTER: u16 = 64;

/// A partition: its number, and the hash tag of its keys.
#[derive(Clone, Debug)]
pub(crate) struct Partition {
    pub(crate) number: usize,
    pub(crate) tag: Arc<str>,
}

/// All partitions. Clones share them.
#[derive(Clone)]
pub(crate) struct Partitions(Arc<[Partition]>);

impl Partitions {
    /// On one Redis it is a single one. On a Cluster their hash slots are spread evenly.
    pub(crate) fn new(layout: Layout) -> Self {
        let tags = match layout {
            Layout::One => vec![String::new()],
            Layout::Cluster => spread_tags("", ON_CLUSTER),
        };
        let partition = |(number, tag): (usize, String)| Partition { number, tag: tag.into() };
        Self(tags.into_iter().enumerate().map(partition).collect())
    }

    /// The partition of a run, or of the run of a channel.
    pub(crate) fn of(&self, channel: &str) -> &Partition {
        match &*self.0 {
            [only] => only,
            all => &all[usize::from(hash_slot(run_name(channel))) % all.len()],
        }
    }

    /// The partition whose keys say which epoch is the last.
    pub(crate) fn first(&self) -> &Partition {
        &self.0[0]
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Partition> {
        self.0.iter()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_has_the_same_partition_on_every_instance_and_in_every_version() {
        let partitions = Partitions::new(Layout::Cluster);
        let of = |channel| {
            let partition = partitions.of(channel);
            (partition.number, partition.tag.to_string())
        };
        assert_eq!(of("decimal-pleasing:wepp"), of("decimal-pleasing"));
        assert_eq!([of("decimal-pleasing"), of("r")], [(24, "68".to_owned()), (21, "720".to_owned())]);
        assert_eq!(Partitions::new(Layout::One).of("r:a").number, 0);
    }
}
