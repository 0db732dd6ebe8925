//! Small contents, one behind the other in segments. What is freed leaves holes; when there are too many, the segment with
//! the most of them is emptied, by moving what is left in it. So any size takes what it has, and memory is given back.

use std::collections::BTreeSet;

/// Bytes of a segment.
const SEGMENT: usize = 256 << 10;
/// The longest content that is packed, in bytes.
pub(crate) const PACKED_MAX: usize = 16 << 10;
/// Bytes before every content: its number and its length, both u32.
const HEAD: usize = 8;
/// Holes that may be: so many bytes, and a share of what is there. Fewer would have to be filled with more moving.
const HOLES: u64 = 512 << 10;
const HOLES_SHARE: u64 = 48;

/// Where a content lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    segment: u32,
    offset: u32,
}

impl Place {
    /// Of what is not packed.
    pub(super) const NONE: Self = Self { segment: u32::MAX, offset: 0 };
}

#[derive(Default)]
pub(super) struct Packed {
    segments: Vec<Segment>,
    /// Segments that have no memory.
    free: Vec<u32>,
    /// The one that is being filled.
    open: Option<u32>,
    /// The full ones, by the bytes of their holes.
    full: BTreeSet<(u32, u32)>,
    /// Bytes of all, and those that are in use.
    filled: u64,
    live: u64,
}

#[derive(Default)]
struct Segment {
    bytes: Vec<u8>,
    live: u32,
}

impl Packed {
    /// Stores a content of at most [`PACKED_MAX`] bytes under a number.
    pub(super) fn add(&mut self, number: u32, content: &[u8]) -> Place {
        let length = HEAD + content.len();
        let open = self.open_segment(length);
        let segment = &mut self.segments[open as usize];
        let offset = segment.bytes.len() as u32;
        segment.bytes.extend_from_slice(&number.to_le_bytes());
        segment.bytes.extend_from_slice(&(content.len() as u32).to_le_bytes());
        segment.bytes.extend_from_slice(content);
        segment.live += length as u32;
        self.filled += length as u64;
        self.live += length as u64;
        Place { segment: open, offset }
    }

    /// The segment that is being filled, which has room for so many bytes.
    fn open_segment(&mut self, room: usize) -> u32 {
        if let Some(open) = self.open {
            let segment = &self.segments[open as usize];
            if segment.bytes.len() + room <= SEGMENT {
                return open;
            }
            self.full.insert((segment.holes(), open));
        }
        let open = self.free.pop().unwrap_or_else(|| {
            self.segments.push(Segment::default());
            self.segments.len() as u32 - 1
        });
        self.segments[open as usize].bytes = Vec::with_capacity(SEGMENT);
        self.open = Some(open);
        open
    }

    /// The content that lies there.
    pub(super) fn get(&self, place: Place) -> &[u8] {
        let (_, content, _) = self.segments[place.segment as usize].read(place.offset);
        content
    }

    /// Leaves a hole.
    pub(super) fn remove(&mut self, place: Place) {
        let length = (HEAD + self.get(place).len()) as u32;
        let segment = &mut self.segments[place.segment as usize];
        let before = segment.holes();
        segment.live -= length;
        self.live -= u64::from(length);
        if self.open == Some(place.segment) {
            if segment.live == 0 {
                self.filled -= segment.bytes.len() as u64;
                segment.bytes.clear();
            }
            return;
        }
        self.full.remove(&(before, place.segment));
        if segment.live > 0 {
            self.full.insert((segment.holes(), place.segment));
        } else {
            self.filled -= std::mem::take(&mut segment.bytes).len() as u64;
            self.free.push(place.segment);
        }
    }

    /// If there are too many holes: the segment with the most. What is left in it is to be added again, and then it is to be
    /// [released](Self::release).
    pub(super) fn take_sparsest(&mut self) -> Option<Sparse> {
        if self.filled - self.live <= HOLES + self.live / HOLES_SHARE {
            return None;
        }
        let (_, number) = self.full.pop_last()?;
        let segment = std::mem::take(&mut self.segments[number as usize]);
        self.filled -= segment.bytes.len() as u64;
        self.live -= u64::from(segment.live);
        Some(Sparse { number, segment })
    }

    /// Not before all of it was added again: nothing of it may be taken for something of a new one.
    pub(super) fn release(&mut self, sparse: Sparse) {
        self.free.push(sparse.number);
    }
}

/// A segment that is to be emptied.
pub(super) struct Sparse {
    number: u32,
    segment: Segment,
}

impl Sparse {
    /// Number, place and content of all that was ever added to it, holes too.
    pub(super) fn contents(&self) -> impl Iterator<Item = (u32, Place, &[u8])> {
        let mut offset = 0;
        std::iter::from_fn(move || {
            ((offset as usize) < self.segment.bytes.len()).then(|| {
                let place = Place { segment: self.number, offset };
                let (number, content, next) = self.segment.read(offset);
                offset = next;
                (number, place, content)
            })
        })
    }
}

impl Segment {
    fn holes(&self) -> u32 {
        self.bytes.len() as u32 - self.live
    }

    /// Number and content at an offset, and where the next one begins.
    fn read(&self, offset: u32) -> (u32, &[u8], u32) {
        let at = |from: usize| {
            let bytes = self.bytes[from..].first_chunk().copied();
            u32::from_le_bytes(bytes.unwrap_or_default())
        };
        let (number, length) = (at(offset as usize), at(offset as usize + 4));
        let start = offset as usize + HEAD;
        let end = start + length as usize;
        (number, &self.bytes[start..end], end as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every second of many contents goes, then all: the others stay what they are, and the holes are filled.
    #[test]
    fn holes_are_filled_and_nothing_is_lost() {
        let (mut packed, count) = (Packed::default(), 40_000_u32);
        let content = |n: u32| vec![n as u8; 200 + n as usize % 900];
        let mut places: Vec<_> = (0..count).map(|n| Some(packed.add(n, &content(n)))).collect();
        let full = packed.filled;
        let remove = |packed: &mut Packed, places: &mut Vec<Option<Place>>, n: u32| {
            packed.remove(places[n as usize].take().unwrap());
            while let Some(sparse) = packed.take_sparsest() {
                for (n, place, content) in sparse.contents() {
                    if places[n as usize] == Some(place) {
                        places[n as usize] = Some(packed.add(n, content));
                    }
                }
                packed.release(sparse);
            }
        };
        (0..count).step_by(2).for_each(|n| remove(&mut packed, &mut places, n));
        assert!(packed.filled < full * 54 / 100, "{} of {full}", packed.filled);
        for n in (1..count).step_by(2) {
            assert_eq!(packed.get(places[n as usize].unwrap()), content(n), "{n}");
        }
        (1..count).step_by(2).for_each(|n| remove(&mut packed, &mut places, n));
        assert_eq!(packed.live, 0);
        assert!(packed.segments.iter().filter(|segment| segment.bytes.capacity() > 0).count() <= 3);
    }
}
