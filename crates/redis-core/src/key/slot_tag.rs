use std::sync::LazyLock;

/// The smallest number whose text has this hash slot: as a hash tag it puts a key into the slot.
///
/// # Panics
/// If there is no such slot: they are 0 to 16383.
pub fn slot_tag(slot: u16) -> u32 {
    TAGS[usize::from(slot)]
}

/// By slot. Made in some milliseconds, when the first is needed.
static TAGS: LazyLock<Vec<u32>> = LazyLock::new(|| {
    let (mut tags, mut missing) = (vec![None; SLOTS], SLOTS);
    for number in 0.. {
        let slot = fred::util::redis_keyslot(number.to_string().as_bytes());
        if tags[usize::from(slot)].is_none() {
            tags[usize::from(slot)] = Some(number);
            missing -= 1;
        }
        if missing == 0 {
            break;
        }
    }
    tags.into_iter().flatten().collect()
});

const SLOTS: usize = 16_384;
