//! Hash slots: where a Redis Cluster has a key.

/// The hash slot of a name, as Redis Cluster computes it: 0 to 16383. scenario-player partitions its customers by it.
pub fn hash_slot(name: impl AsRef<[u8]>) -> u16 {
    fred::util::redis_keyslot(name.as_ref())
}

/// Hash tags whose slots are spread evenly: that of the n-th is near the middle of the n-th of `count` equal parts of the slots.
/// They are the same for the same count, at most 1,024.
pub fn spread_tags(count: u16) -> Vec<String> {
    const SLOTS: usize = 16_384;
    let count = usize::from(count.clamp(1, 1_024));
    let mut tags = vec![String::new(); count];
    let mut missing = count;
    for number in 0_u64.. {
        if missing == 0 {
            break;
        }
        let name = number.to_string();
        let place = usize::from(hash_slot(&name)) * count;
        let is_central = (SLOTS * 3 / 8..SLOTS * 5 / 8).contains(&(place % SLOTS));
        let tag = &mut tags[place / SLOTS];
        if is_central && tag.is_empty() {
            *tag = name;
            missing -= 1;
        }
    }
    tags
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_near_the_middle_of_equal_parts_of_the_slots() {
        for count in [1, 3, 64, 1_024] {
            let slots: Vec<f64> = spread_tags(count).iter().map(|tag| f64::from(hash_slot(tag))).collect();
            let part = 16_384.0 / f64::from(count);
            assert_eq!(slots.len(), usize::from(count));
            for (number, slot) in slots.into_iter().enumerate() {
                let from_middle = slot - (number as f64 + 0.5) * part;
                assert!(from_middle.abs() <= part / 8.0, "{number} of {count}: {slot}");
            }
        }
        // Running stores rest on them.
        assert_eq!(spread_tags(4), ["3", "2", "1", "0"]);
    }
}
