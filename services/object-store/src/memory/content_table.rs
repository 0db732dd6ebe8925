//! The distinct contents, each stored once, by number. Small ones are packed in segments, large ones are by themselves.

use bytes::Bytes;

use super::chunked_vec::ChunkedVec;
use super::hash_index::HashIndex;
use super::large::{Freed, LargeContents, Location};
use super::packed::{PACKED_MAX, PackedSegments, SegmentOffset};
use crate::object::{Content, Hash};

#[derive(Default)]
pub(super) struct ContentTable {
    slots: ChunkedVec<Slot>,
    /// Slots that have no content.
    free: Vec<u32>,
    index: HashIndex,
    packed: PackedSegments,
    pub(super) large: LargeContents,
    bytes: u64,
}

/// If there are more slots than this, they are freed when the last content is removed.
const KEPT_SLOTS: usize = 1024;

/// One content. 16 bytes, since there may be many.
struct Slot {
    /// The first bytes of the hash.
    prefix: u32,
    /// How many ids have it.
    refs: u32,
    /// [`SegmentOffset::NONE`] for a large content.
    location: SegmentOffset,
}

impl ContentTable {
    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Bytes of all contents.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The number of this content, if it is in the table.
    pub(super) fn find(&self, content: &Content) -> Option<u32> {
        let prefix = prefix_of(&content.hash);
        self.index.find(spread(prefix), |&number| {
            let slot = self.slots.get(number);
            slot.prefix == prefix
                && match slot.location {
                    SegmentOffset::NONE => self.large.has(number, &content.hash),
                    // The hash of a packed content is not stored, so the bytes are compared.
                    location => self.packed.get(location) == content.data,
                }
        })
    }

    /// Adds a content that is not in the table, with one reference.
    pub(super) fn add(&mut self, content: Content) -> u32 {
        // The cast cannot truncate: there are no more contents than ids.
        let number = self.free.pop().unwrap_or(self.slots.len() as u32);
        let prefix = prefix_of(&content.hash);
        self.bytes += content.data.len() as u64;
        let location = match content.data.len() {
            ..=PACKED_MAX => self.packed.add(number, &content.data),
            _ => SegmentOffset::NONE,
        };
        let slot = Slot { prefix, refs: 1, location };
        if number as usize == self.slots.len() {
            self.slots.push(slot);
        } else {
            *self.slots.get_mut(number) = slot;
        }
        if location == SegmentOffset::NONE {
            self.large.add(number, content);
        }
        self.index.insert(spread(prefix), number, |number| spread(self.slots.get(number).prefix));
        number
    }

    /// One more id has the content.
    pub(super) fn incr_ref(&mut self, number: u32) {
        self.slots.get_mut(number).refs += 1;
    }

    /// One id less has the content. It is removed with its last id. Returns memory to be freed after the lock is released.
    pub(super) fn decr_ref(&mut self, number: u32) -> Option<Freed> {
        let length = self.length(number);
        let slot = self.slots.get_mut(number);
        slot.refs -= 1;
        if slot.refs > 0 {
            return None;
        }
        let (prefix, location) = (slot.prefix, slot.location);
        self.index.remove(spread(prefix), number, |number| spread(self.slots.get(number).prefix));
        self.bytes -= length;
        self.free.push(number);
        let freed = match location {
            SegmentOffset::NONE => self.large.remove(number),
            location => {
                self.packed.remove(location);
                self.compact();
                None
            }
        };
        if self.len() == 0 && self.slots.len() > KEPT_SLOTS {
            *self = Self::default();
        }
        freed
    }

    /// Moves the contents out of segments with too much dead space.
    fn compact(&mut self) {
        while let Some(victim) = self.packed.take_victim() {
            for (number, location, content) in victim.contents() {
                let slot = self.slots.get_mut(number);
                if slot.refs > 0 && slot.location == location {
                    slot.location = self.packed.add(number, content);
                }
            }
            self.packed.release(victim);
        }
    }

    /// True if more than one id has the content.
    pub(super) fn is_shared(&self, number: u32) -> bool {
        self.slots.get(number).refs > 1
    }

    pub(super) fn length(&self, number: u32) -> u64 {
        match self.slots.get(number).location {
            SegmentOffset::NONE => self.large.length(number),
            location => self.packed.get(location).len() as u64,
        }
    }

    /// Bytes of a content that are in memory.
    pub(super) fn memory_length(&self, number: u32) -> u64 {
        let is_large = self.slots.get(number).location == SegmentOffset::NONE;
        if is_large && !self.large.is_in_memory(number) { 0 } else { self.length(number) }
    }

    /// Bytes of all contents that are in memory.
    pub(super) fn memory_bytes(&self) -> u64 {
        self.bytes - self.large.absent_bytes()
    }

    /// A use of a content. The bytes of a packed one are copied, since compaction may move them.
    pub(super) fn get(&mut self, number: u32) -> Location {
        match self.slots.get(number).location {
            SegmentOffset::NONE => self.large.get(number),
            location => Location::Memory(Bytes::copy_from_slice(self.packed.get(location))),
        }
    }
}

fn prefix_of(hash: &Hash) -> u32 {
    hash.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

/// Spreads the prefix over all the bits that the index uses.
fn spread(prefix: u32) -> u64 {
    u64::from(prefix).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(hash: u8, data: &[u8]) -> Content {
        Content { hash: [hash; 32], ..Content::new(Bytes::copy_from_slice(data)) }
    }

    fn data(contents: &mut ContentTable, number: u32) -> Bytes {
        let Location::Memory(data) = contents.get(number) else { panic!("it is in memory") };
        data
    }

    #[test]
    fn contents_whose_hashes_begin_alike_are_distinguished() {
        let mut contents = ContentTable::default();
        let one = contents.add(content(1, b"one"));
        assert_eq!(contents.find(&content(1, b"two")), None);
        let two = contents.add(content(1, b"two"));
        assert_eq!(contents.find(&content(1, b"one")), Some(one));
        assert_eq!(contents.find(&content(1, b"two")), Some(two));
        let large = vec![7; PACKED_MAX + 1];
        let mut other = content(1, &large);
        other.hash[31] = 2;
        let number = contents.add(content(1, &large));
        assert_eq!((contents.find(&content(1, &large)), contents.find(&other)), (Some(number), None));
        assert_eq!(data(&mut contents, two), "two");
    }

    #[test]
    fn a_content_is_removed_with_its_last_id_and_its_number_is_reused() {
        for length in [3, PACKED_MAX, PACKED_MAX + 1] {
            let (mut contents, data) = (ContentTable::default(), vec![7; length]);
            let number = contents.add(content(1, &data));
            contents.incr_ref(number);
            assert!(contents.is_shared(number));
            contents.decr_ref(number);
            assert_eq!(
                (contents.len(), contents.bytes(), contents.length(number)),
                (1, length as u64, length as u64)
            );
            contents.decr_ref(number);
            assert_eq!((contents.len(), contents.bytes(), contents.find(&content(1, &data))), (0, 0, None));
            assert_eq!(contents.add(content(2, &data)), number);
        }
    }

    #[test]
    fn contents_are_found_after_compaction_moved_them() {
        let (mut contents, count) = (ContentTable::default(), 20_000_u32);
        let of = |n: u32| Content::new(n.to_le_bytes().repeat(n as usize % 200 + 1).into());
        let numbers: Vec<_> = (0..count).map(|n| contents.add(of(n))).collect();
        for n in (0..count).filter(|n| n % 4 > 0) {
            contents.decr_ref(numbers[n as usize]);
        }
        for n in 0..count {
            let found = contents.find(&of(n));
            assert_eq!(found, (n % 4 == 0).then_some(numbers[n as usize]), "{n}");
            assert!(found.is_none_or(|number| data(&mut contents, number) == of(n).data), "{n}");
        }
    }
}
