//! The contents, each once, by number: small ones packed, large ones in memory of their own.

use std::collections::HashMap;

use bytes::Bytes;

use super::chunked::Chunked;
use super::index::Index;
use super::packed::{PACKED_MAX, Packed, Place};
use crate::request::{Content, Hash};

#[derive(Default)]
pub(super) struct Contents {
    slots: Chunked<Slot>,
    /// Slots without a content.
    free: Vec<u32>,
    index: Index,
    packed: Packed,
    whole: HashMap<u32, Content>,
    bytes: u64,
}

/// So many slots are given back when all of them are free.
const MANY: usize = 1024;

/// What is known of a content: 16 bytes, since there may be many.
struct Slot {
    /// The first bytes of its hash.
    prefix: u32,
    /// How many ids have it.
    ids: u32,
    place: Place,
}

impl Contents {
    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Bytes of all of them.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The number of this content, if it is there.
    pub(super) fn find(&self, content: &Content) -> Option<u32> {
        let wanted = prefix(&content.hash);
        self.index.find(spread(wanted), |&number| {
            let slot = self.slots.get(number);
            slot.prefix == wanted
                && match slot.place {
                    Place::NONE => self.whole.get(&number).is_some_and(|whole| whole.hash == content.hash),
                    // Where the whole hash is not kept, the content itself says.
                    place => self.packed.get(place) == content.data,
                }
        })
    }

    /// Stores a content that is not there, for one id.
    pub(super) fn add(&mut self, content: Content) -> u32 {
        // The cast cannot cut: there are no more contents than ids.
        let number = self.free.pop().unwrap_or(self.slots.len() as u32);
        let prefix = prefix(&content.hash);
        self.bytes += content.data.len() as u64;
        let place = match content.data.len() {
            ..=PACKED_MAX => self.packed.add(number, &content.data),
            _ => Place::NONE,
        };
        let slot = Slot { prefix, ids: 1, place };
        if number as usize == self.slots.len() {
            self.slots.push(slot);
        } else {
            *self.slots.get_mut(number) = slot;
        }
        if place == Place::NONE {
            // What it took on its way is free again.
            self.whole.insert(number, Content { claim: None, ..content });
        }
        self.index.insert(spread(prefix), number, |number| spread(self.slots.get(number).prefix));
        number
    }

    /// One id more has it.
    pub(super) fn gain(&mut self, number: u32) {
        self.slots.get_mut(number).ids += 1;
    }

    /// One id less has it; with the last it goes. Returns what is to be freed once nobody has to wait for that.
    pub(super) fn lose(&mut self, number: u32) -> Option<Content> {
        let length = self.length(number);
        let slot = self.slots.get_mut(number);
        slot.ids -= 1;
        if slot.ids > 0 {
            return None;
        }
        let (prefix, place) = (slot.prefix, slot.place);
        self.index.remove(spread(prefix), number, |number| spread(self.slots.get(number).prefix));
        self.bytes -= length;
        self.free.push(number);
        let freed = match place {
            Place::NONE => self.whole.remove(&number),
            place => {
                self.packed.remove(place);
                self.fill_holes();
                None
            }
        };
        if self.len() == 0 && self.slots.len() > MANY {
            *self = Self::default();
        }
        freed
    }

    fn fill_holes(&mut self) {
        while let Some(sparse) = self.packed.take_sparsest() {
            for (number, place, content) in sparse.contents() {
                let slot = self.slots.get_mut(number);
                if slot.ids > 0 && slot.place == place {
                    slot.place = self.packed.add(number, content);
                }
            }
            self.packed.release(sparse);
        }
    }

    /// True if more than one id has it.
    pub(super) fn is_shared(&self, number: u32) -> bool {
        self.slots.get(number).ids > 1
    }

    pub(super) fn length(&self, number: u32) -> u64 {
        let length = match self.slots.get(number).place {
            Place::NONE => self.whole.get(&number).map_or(0, |whole| whole.data.len()),
            place => self.packed.get(place).len(),
        };
        length as u64
    }

    /// A small one is copied: what is packed may be moved.
    pub(super) fn data(&self, number: u32) -> Bytes {
        match self.slots.get(number).place {
            Place::NONE => self.whole.get(&number).map(|whole| whole.data.clone()).unwrap_or_default(),
            place => Bytes::copy_from_slice(self.packed.get(place)),
        }
    }
}

fn prefix(hash: &Hash) -> u32 {
    hash.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

/// Over all the bits that the index looks at.
fn spread(prefix: u32) -> u64 {
    u64::from(prefix).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(hash: u8, data: &[u8]) -> Content {
        Content { hash: [hash; 32], data: Bytes::copy_from_slice(data), claim: None }
    }

    #[test]
    fn contents_are_told_apart_by_more_than_the_beginning_of_their_hash() {
        let mut contents = Contents::default();
        let one = contents.add(content(1, b"one"));
        assert_eq!(contents.find(&content(1, b"two")), None);
        let two = contents.add(content(1, b"two"));
        assert_eq!(contents.find(&content(1, b"one")), Some(one));
        assert_eq!(contents.find(&content(1, b"two")), Some(two));
        let large = vec![7; PACKED_MAX + 1];
        let mut other = content(1, &large);
        other.hash[31] = 2;
        let whole = contents.add(content(1, &large));
        assert_eq!((contents.find(&content(1, &large)), contents.find(&other)), (Some(whole), None));
        assert_eq!(contents.data(two), "two");
    }

    #[test]
    fn a_content_goes_with_its_last_id_and_its_number_is_used_again() {
        for length in [3, PACKED_MAX, PACKED_MAX + 1] {
            let (mut contents, data) = (Contents::default(), vec![7; length]);
            let number = contents.add(content(1, &data));
            contents.gain(number);
            assert!(contents.is_shared(number));
            contents.lose(number);
            assert_eq!(
                (contents.len(), contents.bytes(), contents.length(number)),
                (1, length as u64, length as u64)
            );
            contents.lose(number);
            assert_eq!((contents.len(), contents.bytes(), contents.find(&content(1, &data))), (0, 0, None));
            assert_eq!(contents.add(content(2, &data)), number);
        }
    }

    #[test]
    fn what_is_moved_is_found_again() {
        let (mut contents, count) = (Contents::default(), 20_000_u32);
        let of = |n: u32| Content::new(n.to_le_bytes().repeat(n as usize % 200 + 1).into());
        let numbers: Vec<_> = (0..count).map(|n| contents.add(of(n))).collect();
        for n in (0..count).filter(|n| n % 4 > 0) {
            contents.lose(numbers[n as usize]);
        }
        for n in 0..count {
            let found = contents.find(&of(n));
            assert_eq!(found, (n % 4 == 0).then_some(numbers[n as usize]), "{n}");
            assert!(found.is_none_or(|number| contents.data(number) == of(n).data), "{n}");
        }
    }
}
