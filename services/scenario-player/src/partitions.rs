//! Customers and recordings are spread over partitions, and each partition is played by one instance at a time.

use redis_core::key::hash_slot;

/// Number of partitions. All instances must agree on it.
pub(crate) const PARTITIONS: usize = 64;

/// Which partitions: an entry for each, by its number.
pub(crate) type PartitionSet = [bool; PARTITIONS];

pub(crate) const ALL_PARTITIONS: PartitionSet = [true; PARTITIONS];
pub(crate) const NO_PARTITIONS: PartitionSet = [false; PARTITIONS];

/// The partition of a customer or a recording.
pub(crate) fn partition_of(owner: &str) -> usize {
    usize::from(hash_slot(owner)) % PARTITIONS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_customer_has_the_same_partition_on_every_instance_and_in_every_version() {
        assert_eq!(["1", "2", "a|b"].map(partition_of), [50, 17, 11]);
    }
}
