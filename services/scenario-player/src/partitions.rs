//! Customers are spread over partitions, and each partition is played by one instance at a time.

use redis_core::id::CustomerId;
use redis_core::key::hash_slot;

/// Number of partitions. All instances must agree on it.
pub(crate) const PARTITIONS: usize = 64;

/// Which partitions: an entry for each, by its number.
pub(crate) type PartitionSet = [bool; PARTITIONS];

pub(crate) const ALL_PARTITIONS: PartitionSet = [true; PARTITIONS];
pub(crate) const NO_PARTITIONS: PartitionSet = [false; PARTITIONS];

/// The partition of a customer.
pub(crate) fn partition_of(customer: &CustomerId) -> usize {
    usize::from(hash_slot(customer.as_str())) % PARTITIONS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_customer_has_the_same_partition_on_every_instance_and_in_every_version() {
        let partition = |id: &str| partition_of(&CustomerId::parse(id).unwrap());
        assert_eq!([partition("1"), partition("2"), partition("a|b")], [50, 17, 11]);
    }
}
