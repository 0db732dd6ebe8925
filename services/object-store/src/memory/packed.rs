//! Small contents, packed one after the other in segments, as in a log-structured store. A removed content leaves dead space.
//! When there is too much of it, the segment with the most is compacted: its live contents move elsewhere, and its memory is
//! freed. So a content takes little more than its own length.

use std::collections::BTreeSet;

/// Length of a segment, in bytes.
const SEGMENT_LEN: usize = 256 << 10;
/// The longest content that is packed, in bytes.
pub(crate) const PACKED_MAX: usize = 16 << 10;
/// Bytes before each content: its number and its length, both u32.
const HEADER_LEN: usize = 8;
/// The dead space that is allowed: this many bytes, and this share of the live bytes (1 / 48). Less would mean more moving.
const DEAD_BYTES: u64 = 512 << 10;
const DEAD_SHARE: u64 = 48;

/// Where a content is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SegmentOffset {
    segment: u32,
    offset: u32,
}

impl SegmentOffset {
    /// For a content that is not packed.
    pub(super) const NONE: Self = Self { segment: u32::MAX, offset: 0 };
}

#[derive(Default)]
pub(super) struct PackedSegments {
    segments: Vec<Segment>,
    /// Numbers of segments that have no memory.
    free: Vec<u32>,
    /// The segment that is being filled.
    open: Option<u32>,
    /// The full segments, by their dead bytes.
    full: BTreeSet<(u32, u32)>,
    /// Bytes written to all segments, and those of them that are live.
    filled: u64,
    live: u64,
}

#[derive(Default)]
struct Segment {
    bytes: Vec<u8>,
    live: u32,
}

impl PackedSegments {
    /// Adds a content of at most [`PACKED_MAX`] bytes, with its number.
    pub(super) fn add(&mut self, number: u32, content: &[u8]) -> SegmentOffset {
        let length = HEADER_LEN + content.len();
        let open = self.open_segment(length);
        let segment = &mut self.segments[open as usize];
        let offset = segment.bytes.len() as u32;
        segment.bytes.extend_from_slice(&number.to_le_bytes());
        segment.bytes.extend_from_slice(&(content.len() as u32).to_le_bytes());
        segment.bytes.extend_from_slice(content);
        segment.live += length as u32;
        self.filled += length as u64;
        self.live += length as u64;
        SegmentOffset { segment: open, offset }
    }

    /// The segment to fill, which has space for `length` bytes.
    fn open_segment(&mut self, length: usize) -> u32 {
        if let Some(open) = self.open {
            let segment = &self.segments[open as usize];
            if segment.bytes.len() + length <= SEGMENT_LEN {
                return open;
            }
            self.full.insert((segment.dead_bytes(), open));
        }
        let open = self.free.pop().unwrap_or_else(|| {
            self.segments.push(Segment::default());
            self.segments.len() as u32 - 1
        });
        self.segments[open as usize].bytes = Vec::with_capacity(SEGMENT_LEN);
        self.open = Some(open);
        open
    }

    /// The content at a location.
    pub(super) fn get(&self, location: SegmentOffset) -> &[u8] {
        let (_, content, _) = self.segments[location.segment as usize].read(location.offset);
        content
    }

    /// Removes a content. Its bytes become dead.
    pub(super) fn remove(&mut self, location: SegmentOffset) {
        let length = (HEADER_LEN + self.get(location).len()) as u32;
        let segment = &mut self.segments[location.segment as usize];
        let before = segment.dead_bytes();
        segment.live -= length;
        self.live -= u64::from(length);
        if self.open == Some(location.segment) {
            if segment.live == 0 {
                self.filled -= segment.bytes.len() as u64;
                segment.bytes.clear();
            }
            return;
        }
        self.full.remove(&(before, location.segment));
        if segment.live > 0 {
            self.full.insert((segment.dead_bytes(), location.segment));
        } else {
            self.filled -= std::mem::take(&mut segment.bytes).len() as u64;
            self.free.push(location.segment);
        }
    }

    /// If there is too much dead space: the segment with the most. The caller adds its live contents again, and then
    /// [releases](Self::release) it.
    pub(super) fn take_victim(&mut self) -> Option<Victim> {
        if self.filled - self.live <= DEAD_BYTES + self.live / DEAD_SHARE {
            return None;
        }
        let (_, number) = self.full.pop_last()?;
        let segment = std::mem::take(&mut self.segments[number as usize]);
        self.filled -= segment.bytes.len() as u64;
        self.live -= u64::from(segment.live);
        Some(Victim { number, segment })
    }

    /// Makes the number of a compacted segment available. Not before all of its contents have been added again: until then a
    /// location in it must not be mistaken for one in a new segment.
    pub(super) fn release(&mut self, victim: Victim) {
        self.free.push(victim.number);
    }
}

/// A segment that is being compacted.
pub(super) struct Victim {
    number: u32,
    segment: Segment,
}

impl Victim {
    /// Number, location and bytes of every content that was added to it, also of the dead ones.
    pub(super) fn contents(&self) -> impl Iterator<Item = (u32, SegmentOffset, &[u8])> {
        let mut offset = 0;
        std::iter::from_fn(move || {
            ((offset as usize) < self.segment.bytes.len()).then(|| {
                let location = SegmentOffset { segment: self.number, offset };
                let (number, content, next) = self.segment.read(offset);
                offset = next;
                (number, location, content)
            })
        })
    }
}

impl Segment {
    fn dead_bytes(&self) -> u32 {
        self.bytes.len() as u32 - self.live
    }

    /// Number and content at an offset, and the offset of the next one.
    fn read(&self, offset: u32) -> (u32, &[u8], u32) {
        let u32_at = |from: usize| {
            let bytes = self.bytes[from..].first_chunk().copied();
            u32::from_le_bytes(bytes.unwrap_or_default())
        };
        let (number, length) = (u32_at(offset as usize), u32_at(offset as usize + 4));
        let start = offset as usize + HEADER_LEN;
        let end = start + length as usize;
        (number, &self.bytes[start..end], end as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Removes every second content, then all. The others keep their bytes, and the dead space is reclaimed.
    #[test]
    fn dead_space_is_reclaimed_and_no_content_is_lost() {
        let (mut packed, count) = (PackedSegments::default(), 40_000_u32);
        let content = |n: u32| vec![n as u8; 200 + n as usize % 900];
        let mut locations: Vec<_> = (0..count).map(|n| Some(packed.add(n, &content(n)))).collect();
        let full = packed.filled;
        let remove = |packed: &mut PackedSegments, locations: &mut Vec<Option<SegmentOffset>>, n: u32| {
            packed.remove(locations[n as usize].take().unwrap());
            while let Some(victim) = packed.take_victim() {
                for (n, location, content) in victim.contents() {
                    if locations[n as usize] == Some(location) {
                        locations[n as usize] = Some(packed.add(n, content));
                    }
                }
                packed.release(victim);
            }
        };
        (0..count).step_by(2).for_each(|n| remove(&mut packed, &mut locations, n));
        assert!(packed.filled < full * 54 / 100, "{} of {full}", packed.filled);
        for n in (1..count).step_by(2) {
            assert_eq!(packed.get(locations[n as usize].unwrap()), content(n), "{n}");
        }
        (1..count).step_by(2).for_each(|n| remove(&mut packed, &mut locations, n));
        assert_eq!(packed.live, 0);
        assert!(packed.segments.iter().filter(|segment| segment.bytes.capacity() > 0).count() <= 3);
    }
}
