use std::sync::LazyLock;

use crate::key::{hash_slot, spread_tags};

/// One of the partitions over which scenario-player spreads customers and recordings. All instances must agree on them.
///
/// On a Redis Cluster all keys of a partition have its hash tag, so that they are in one slot, and the slots of the partitions
/// are spread evenly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Partition(u8);

impl Partition {
    /// The number of partitions.
    pub const COUNT: usize = 64;

    /// The partition of a customer, by its id, or of a recording, by its name.
    pub fn of(owner: &str) -> Self {
        Self::numbered(hash_slot(owner).into())
    }

    /// The partition with this number. They begin again after the last.
    pub fn numbered(number: usize) -> Self {
        Self((number % Self::COUNT) as u8)
    }

    /// All partitions, by their numbers.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..Self::COUNT).map(Self::numbered)
    }

    /// Its number, from 0 on.
    pub fn number(self) -> usize {
        usize::from(self.0)
    }

    /// The hash slot of its keys on a Cluster.
    pub fn slot(self) -> u16 {
        hash_slot(self.tag())
    }

    /// What its keys have in braces on a Cluster: `TIMELINE:77`.
    pub(crate) fn tag(self) -> &'static str {
        &TAGS[self.number()]
    }
}

static TAGS: LazyLock<Vec<String>> = LazyLock::new(|| spread_tags("TIMELINE:", Partition::COUNT as u16));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_customer_has_the_same_partition_on_every_instance_and_in_every_version() {
        assert_eq!(["1", "2", "a|b"].map(|owner| Partition::of(owner).number()), [50, 17, 11]);
    }

    #[test]
    fn a_tag_is_the_literal_text_that_every_version_has() {
        let tags = [0, 17, 63].map(|number| Partition::numbered(number).tag());
        assert_eq!(tags, ["TIMELINE:732", "TIMELINE:77", "TIMELINE:762"]);
    }
}
