//! The bytes that wait to be written to one client.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes};

use crate::options::Overflow;

/// The most chunks in one `writev`. The list of them is on the stack.
pub(crate) const MAX_SLICES: usize = 64;
/// Bytes of control frames and notices that may wait when another one arrives.
const MAX_CONTROL_BYTES: usize = 16 * 1024;

/// A queue of encoded messages. Each is written whole or not at all, unless the connection ends.
#[derive(Default)]
pub(crate) struct Outbox {
    queue: VecDeque<Chunk>,
    /// The length of all chunks.
    bytes: usize,
    /// The length of those that are [`ChunkKind::Control`].
    control_bytes: usize,
    /// The first chunk is partly written, so it can be neither replaced nor discarded.
    is_front_started: bool,
}

struct Chunk {
    bytes: Bytes,
    kind: ChunkKind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ChunkKind {
    Message,
    /// A newer message of this slot may replace it.
    Latest(u32),
    /// Control frames, or a notice.
    Control,
}

impl Outbox {
    /// An outbox with bytes that must be written first, whatever follows.
    pub(crate) fn starting_with(head: Bytes) -> Self {
        let mut outbox = Self::default();
        outbox.push(head, ChunkKind::Message);
        outbox.is_front_started = true;
        outbox
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// How many bytes wait.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds a message of the service. Returns `false` if it does not fit: the client must be closed as slow. With
    /// [`Overflow::KeepLatest`] it replaces one of the same slot.
    #[must_use]
    pub(crate) fn push_message(&mut self, message: Bytes, overflow: Overflow, slot: u32) -> bool {
        match overflow {
            Overflow::Close { max_bytes } => {
                // Only what already waits counts against the limit: a client that keeps up gets a message of any size.
                let fits = self.bytes <= max_bytes;
                if fits {
                    self.push(message, ChunkKind::Message);
                }
                fits
            }
            Overflow::KeepLatest => {
                let started = usize::from(self.is_front_started);
                match self.queue.iter_mut().skip(started).find(|chunk| chunk.kind == ChunkKind::Latest(slot))
                {
                    Some(chunk) => {
                        self.bytes = self.bytes - chunk.bytes.len() + message.len();
                        chunk.bytes = message;
                    }
                    None => self.push(message, ChunkKind::Latest(slot)),
                }
                true
            }
        }
    }

    /// Adds the remainder of a message whose beginning is already written. The outbox must be empty.
    pub(crate) fn push_remainder(&mut self, remainder: Bytes) {
        self.push(remainder, ChunkKind::Message);
        self.is_front_started = true;
    }

    /// Adds control frames or a notice, which no message replaces. Returns `false` if too many wait: the client asks for them
    /// and does not read. They are added even so.
    #[must_use]
    pub(crate) fn push_control(&mut self, frames: Bytes) -> bool {
        let fits = !self.has_many_controls();
        self.push(frames, ChunkKind::Control);
        fits
    }

    /// Whether no more control frames should be added.
    pub(crate) fn has_many_controls(&self) -> bool {
        self.control_bytes >= MAX_CONTROL_BYTES
    }

    /// Discards every chunk that is not partly written, so that what is added next is written as soon as possible.
    pub(crate) fn discard_unsent(&mut self) {
        self.queue.truncate(usize::from(self.is_front_started));
        self.bytes = self.queue.iter().map(|chunk| chunk.bytes.len()).sum();
        self.control_bytes = self.queue.iter().map(Chunk::control_bytes).sum();
    }

    /// Fills `slices` with the first chunks, for one vectored write. Returns how many.
    pub(crate) fn io_slices<'a>(&'a self, slices: &mut [IoSlice<'a>; MAX_SLICES]) -> usize {
        self.queue.iter().zip(slices).map(|(chunk, slice)| *slice = IoSlice::new(&chunk.bytes)).count()
    }

    /// Removes the first `count` bytes, which were written.
    pub(crate) fn advance(&mut self, mut count: usize) {
        self.bytes -= count;
        while let Some(front) = self.queue.front_mut() {
            if count < front.bytes.len() {
                self.control_bytes -= front.control_bytes();
                front.bytes.advance(count);
                self.control_bytes += front.control_bytes();
                self.is_front_started |= count > 0;
                return;
            }
            count -= front.bytes.len();
            self.control_bytes -= front.control_bytes();
            self.queue.pop_front();
            self.is_front_started = false;
        }
        // Most clients need no outbox again for a long time: free the queue's memory.
        self.queue = VecDeque::new();
    }

    fn push(&mut self, bytes: Bytes, kind: ChunkKind) {
        let chunk = Chunk { bytes, kind };
        self.bytes += chunk.bytes.len();
        self.control_bytes += chunk.control_bytes();
        self.queue.push_back(chunk);
    }
}

impl Chunk {
    fn control_bytes(&self) -> usize {
        if self.kind == ChunkKind::Control { self.bytes.len() } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunks(outbox: &Outbox) -> Vec<&[u8]> {
        outbox.queue.iter().map(|chunk| &chunk.bytes[..]).collect()
    }

    #[test]
    fn messages_are_kept_in_order_until_the_limit_is_reached() {
        let overflow = Overflow::Close { max_bytes: 7 };
        let mut outbox = Outbox::default();
        assert!(outbox.push_message("a long one".into(), overflow, 0));
        assert!(!outbox.push_message("two".into(), overflow, 0));
        outbox.advance(4);
        assert_eq!(chunks(&outbox), [b"ng one"]);
        assert!(outbox.push_message("three".into(), overflow, 0));
        outbox.advance(11);
        assert!(outbox.is_empty());
    }

    #[test]
    fn with_keep_latest_a_message_replaces_the_one_that_waits() {
        let overflow = Overflow::KeepLatest;
        let mut outbox = Outbox::starting_with("head".into());
        for state in ["s1", "s2", "s3"] {
            assert!(outbox.push_message(state.into(), overflow, 0));
        }
        assert_eq!(chunks(&outbox), [&b"head"[..], b"s3"]);
        outbox.advance(5);
        assert!(
            outbox.push_message("s4".into(), overflow, 0) && outbox.push_message("s5".into(), overflow, 0)
        );
        assert_eq!(chunks(&outbox), [b"3", &b"s5"[..]], "a message that is partly written is not replaced");
    }

    #[test]
    fn with_keep_latest_each_slot_keeps_its_own_latest_message() {
        let overflow = Overflow::KeepLatest;
        let mut outbox = Outbox::default();
        for slot in (0..100).chain(0..100) {
            assert!(outbox.push_message(format!("{slot:02}").into(), overflow, slot));
        }
        assert_eq!(outbox.queue.len(), 100);
        assert!(outbox.push_control("notice".into()));
        outbox.advance(5);
        assert_eq!(chunks(&outbox)[..2], [&b"2"[..], b"03"]);
        assert!(outbox.push_message("new".into(), overflow, 0), "its message is written");
        assert_eq!(chunks(&outbox).last(), Some(&&b"new"[..]));
    }

    #[test]
    fn discarding_keeps_a_message_that_is_partly_written() {
        let mut outbox = Outbox::default();
        let overflow = Overflow::Close { max_bytes: 100 };
        assert!(
            outbox.push_message("line 1".into(), overflow, 0)
                && outbox.push_message("line 2".into(), overflow, 0)
        );
        outbox.advance(2);
        outbox.discard_unsent();
        assert!(outbox.push_control("bye".into()));
        assert_eq!(chunks(&outbox), [&b"ne 1"[..], b"bye"]);
    }

    #[test]
    fn control_frames_have_a_limit_of_their_own_in_bytes() {
        let mut outbox = Outbox::starting_with("head".into());
        assert!(outbox.push_message("x".repeat(100_000).into(), Overflow::Close { max_bytes: 200_000 }, 0));
        assert_eq!((0..10_000).take_while(|_| outbox.push_control("pong".into())).count(), 4096);
        assert!(outbox.has_many_controls());
        outbox.advance(100_004 + 6);
        assert!(!outbox.has_many_controls(), "two have been written, one of them in part");
        assert_eq!(outbox.control_bytes, outbox.bytes);
        outbox.discard_unsent();
        assert_eq!((chunks(&outbox), outbox.control_bytes), (vec![&b"ng"[..]], 2));
    }
}
