//! Lanes: the timeline in parts, each of which has keys of its own.
//!
//! One Redis has a single lane with all partitions. A Redis Cluster has one for each partition, so that the lanes spread over the
//! shards. A lane is read, leased, played and acknowledged by itself: if its shard is away, the others go on.

use std::ops::Range;

use redis_core::{Layout, Partition};

use crate::partitions::{NO_PARTITIONS, PARTITIONS, PartitionSet, partition_of};

/// How many lanes there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lanes(usize);

/// Partitions that have their keys together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Lane {
    number: usize,
    partitions: usize,
}

impl Lanes {
    /// A single lane with all partitions.
    pub(crate) const ONE: Self = Self(1);

    /// Those of one Redis or of a Cluster.
    pub(crate) fn of_layout(layout: Layout) -> Self {
        match layout {
            Layout::One => Self::ONE,
            Layout::Cluster => Self(PARTITIONS),
        }
    }

    pub(crate) fn count(self) -> usize {
        self.0
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = Lane> {
        (0..self.0).map(move |number| self.lane(number))
    }

    /// The lane of a partition.
    pub(crate) fn of_partition(self, partition: usize) -> Lane {
        self.lane(partition / (PARTITIONS / self.0))
    }

    /// The lane of a customer or a recording.
    pub(crate) fn of(self, owner: &str) -> Lane {
        self.of_partition(partition_of(owner))
    }

    /// The lane with this number, if there is one.
    pub(crate) fn numbered(self, number: usize) -> Option<Lane> {
        (number < self.0).then(|| self.lane(number))
    }

    fn lane(self, number: usize) -> Lane {
        Lane { number, partitions: PARTITIONS / self.0 }
    }
}

impl Lane {
    /// Its number, from 0 on.
    pub(crate) fn number(self) -> usize {
        self.number
    }

    /// The numbers of its partitions.
    pub(crate) fn partitions(self) -> Range<usize> {
        self.number * self.partitions..(self.number + 1) * self.partitions
    }

    /// The same as a set.
    pub(crate) fn partition_set(self) -> PartitionSet {
        let mut set = NO_PARTITIONS;
        set[self.partitions()].fill(true);
        set
    }

    /// By this its keys are named.
    pub(crate) fn key_partition(self) -> Partition {
        Partition::numbered(self.partitions().start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::partitions::ALL_PARTITIONS;

    #[test]
    fn one_lane_has_all_partitions_and_of_many_each_has_one() {
        let [one, many] = [Layout::One, Layout::Cluster].map(Lanes::of_layout);
        assert_eq!(one.iter().map(Lane::partition_set).collect::<Vec<_>>(), [ALL_PARTITIONS]);
        assert_eq!(
            many.iter().map(Lane::partitions).collect::<Vec<_>>(),
            (0..64).map(|n| n..n + 1).collect::<Vec<_>>()
        );
        assert_eq!([one, many].map(|lanes| lanes.of("1").number()), [0, 50]);
        assert_eq!(many.numbered(64), None);
    }
}
