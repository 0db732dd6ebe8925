use std::sync::LazyLock;

/// The hash slots of a Redis Cluster.
pub const HASH_SLOTS: u16 = 16_384;

/// The hash slot of a name, as Redis Cluster computes it: 0 to 16383. scenario-player partitions its customers by it.
pub fn hash_slot(name: impl AsRef<[u8]>) -> u16 {
    fred::util::redis_keyslot(name.as_ref())
}

/// The smallest number whose text has this hash slot: as a hash tag it puts a key into the slot.
///
/// # Panics
/// If there is no such slot: they are 0 to 16383.
pub fn slot_tag(slot: u16) -> u32 {
    TAGS[usize::from(slot)]
}

/// Hash tags of `count` partitions of a service's keys, which spread evenly over the shards: the slot of the n-th is near the
/// middle of the n-th of `count` equal parts of all slots. Each is `prefix` and a number, and always the same.
///
/// # Panics
/// If `count` is not 1 to 1,024.
pub fn spread_tags(prefix: &str, count: u16) -> Vec<String> {
    assert!((1..=1_024).contains(&count), "{count} partitions");
    let (parts, slots) = (usize::from(count), usize::from(HASH_SLOTS));
    let tag = |number: u32| format!("{prefix}{number}");
    let numbers = smallest_numbers(parts, |number| {
        let position = usize::from(hash_slot(tag(number))) * parts;
        let is_near_the_middle = (slots * 3 / 8..slots * 5 / 8).contains(&(position % slots));
        is_near_the_middle.then_some(position / slots)
    });
    numbers.into_iter().map(tag).collect()
}

/// For each of so many places the smallest number that has it.
fn smallest_numbers(places: usize, place_of: impl Fn(u32) -> Option<usize>) -> Vec<u32> {
    let mut numbers = vec![None; places];
    let mut missing = places;
    for number in 0.. {
        if let Some(free) = place_of(number).map(|place| &mut numbers[place]).filter(|known| known.is_none())
        {
            *free = Some(number);
            missing -= 1;
        }
        if missing == 0 {
            break;
        }
    }
    numbers.into_iter().flatten().collect()
}

/// By slot. Made in some milliseconds, when the first is needed.
static TAGS: LazyLock<Vec<u32>> = LazyLock::new(|| {
    let slot_of = |number: u32| usize::from(hash_slot(number.to_string()));
    smallest_numbers(HASH_SLOTS.into(), |number| Some(slot_of(number)))
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spread_tags_are_near_the_middle_of_equal_parts_of_the_slots() {
        for (prefix, count) in [("", 1), ("timeline:", 3), ("", 64), ("timeline:", 1_024)] {
            let slots: Vec<f64> =
                spread_tags(prefix, count).iter().map(|tag| f64::from(hash_slot(tag))).collect();
            let part = f64::from(HASH_SLOTS) / f64::from(count);
            assert_eq!(slots.len(), usize::from(count));
            for (number, slot) in slots.into_iter().enumerate() {
                let from_middle = slot - (number as f64 + 0.5) * part;
                assert!(from_middle.abs() <= part / 8.0, "{number} of {count}: {slot}");
            }
        }
        // What is stored under them is found by later versions.
        assert_eq!(spread_tags("", 4), ["3", "2", "1", "0"]);
    }
}
