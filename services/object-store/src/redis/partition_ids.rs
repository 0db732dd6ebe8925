//! Which partition of the store has which ids.

use crate::id::ObjectId;

/// One of the partitions of a store.
#[derive(Debug, Clone, Copy)]
pub(super) struct PartitionIds {
    /// From 0.
    pub(super) number: u16,
    /// The number of partitions, at least 1.
    pub(super) count: u16,
}

impl PartitionIds {
    /// Whether the partition has this id.
    pub(super) fn has(self, id: &ObjectId) -> bool {
        self.number == partition_of(id, self.count)
    }
}

/// The number of the partition that has this id, of so many. Stores that exist rest on it.
pub(super) fn partition_of(id: &ObjectId, count: u16) -> u16 {
    if count <= 1 {
        return 0;
    }
    let hash = blake3::hash(id.as_bytes());
    let number = hash.as_bytes().first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    // Less than `count`.
    (number % u64::from(count)) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_the_partitions_that_they_have_in_stores_that_exist() {
        let id = |n: u8| ObjectId::new(&[n; 32]).unwrap();
        assert_eq!([1, 2, 3, 4].map(|n| partition_of(&id(n), 64)), [21, 36, 31, 49]);
        assert_eq!(partition_of(&id(1), 1), 0);
        assert!(PartitionIds { number: 0, count: 1 }.has(&id(1)));
    }

    #[test]
    fn similar_ids_are_spread_evenly() {
        let mut counts = [0_u32; 64];
        for n in 0..64_000_u64 {
            let id = ObjectId::new(&[[0xab; 24].as_slice(), &n.to_be_bytes()].concat()).unwrap();
            counts[usize::from(partition_of(&id, 64))] += 1;
        }
        assert!(counts.iter().all(|count| (850..1_150).contains(count)), "{counts:?}");
    }
}
