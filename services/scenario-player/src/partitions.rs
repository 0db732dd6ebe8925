//! Customers and recordings are spread over partitions, and each partition is played by one instance at a time.

use redis_core::Partition;

/// Number of partitions. All instances must agree on it.
pub(crate) const PARTITIONS: usize = Partition::COUNT;

/// Which partitions: an entry for each, by its number.
pub(crate) type PartitionSet = [bool; PARTITIONS];

pub(crate) const ALL_PARTITIONS: PartitionSet = [true; PARTITIONS];
pub(crate) const NO_PARTITIONS: PartitionSet = [false; PARTITIONS];

/// The number of the partition of a customer or a recording.
pub(crate) fn partition_of(owner: &str) -> usize {
    Partition::of(owner).number()
}
