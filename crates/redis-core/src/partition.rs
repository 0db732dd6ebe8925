use crate::hash_slot::hash_slot;

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
        Self((hash_slot(owner) % Self::COUNT as u16) as u8)
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

    /// What its keys have in braces on a Cluster: `TIMELINE:17.217`.
    pub(crate) fn tag(self) -> String {
        format!("TIMELINE:{}.{}", self.0, SUFFIXES[self.number()])
    }
}

/// By partition: with it the tag's slot is at most 32 away from the middle of the partition's 64th of all slots.
const SUFFIXES: [u16; Partition::COUNT] = [
    367, 222, 29, 174, 172, 706, 76, 361, 158, 130, 254, 36, 723, 157, 40, 69, 356, 213, 237, 372, 125, 751,
    273, 64, 110, 13, 246, 303, 237, 88, 206, 343, 267, 322, 234, 16, 743, 137, 113, 767, 736, 142, 46, 214,
    212, 357, 19, 30, 149, 73, 10, 39, 213, 356, 240, 4, 226, 73, 58, 71, 16, 110, 303, 246,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_customer_has_the_same_partition_on_every_instance_and_in_every_version() {
        assert_eq!(["1", "2", "a|b"].map(|owner| Partition::of(owner).number()), [50, 17, 11]);
    }

    #[test]
    fn the_slots_of_the_partitions_are_spread_evenly() {
        let slots_each = 16_384 / Partition::COUNT;
        for partition in Partition::all() {
            let middle = partition.number() * slots_each + slots_each / 2;
            assert!(usize::from(partition.slot()).abs_diff(middle) <= 32, "{partition:?}");
        }
    }

    #[test]
    fn a_tag_is_the_literal_text_that_every_version_has() {
        let tags = [0, 17, 63].map(|number| Partition(number).tag());
        assert_eq!(tags, ["TIMELINE:0.367", "TIMELINE:17.213", "TIMELINE:63.246"]);
    }
}
