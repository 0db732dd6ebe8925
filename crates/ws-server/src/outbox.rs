//! The bytes that wait to be written to one client.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes};

use crate::options::Overflow;

/// The most chunks in one `writev`. The list of them is on the stack.
pub(crate) const MAX_SLICES: usize = 64;

/// A queue of encoded messages. Each is written whole or not at all, unless the connection ends.
#[derive(Default)]
pub(crate) struct Outbox {
    queue: VecDeque<Chunk>,
    /// The length of all chunks.
    bytes: usize,
    /// How many chunks have a slot.
    slotted: usize,
    /// The first chunk is partly written, so it can be neither replaced nor discarded.
    is_front_started: bool,
}

struct Chunk {
    bytes: Bytes,
    /// With [`Overflow::KeepLatest`]: a newer message of this slot may replace it.
    slot: Option<u32>,
}

impl Outbox {
    /// An outbox with bytes that must be written first, whatever follows.
    pub(crate) fn starting_with(head: Bytes) -> Self {
        let mut outbox = Self::default();
        outbox.push(head, None);
        outbox.is_front_started = true;
        outbox
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
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
                    self.push(message, None);
                }
                fits
            }
            Overflow::KeepLatest => {
                let started = usize::from(self.is_front_started);
                match self.queue.iter_mut().skip(started).find(|chunk| chunk.slot == Some(slot)) {
                    Some(chunk) => {
                        self.bytes = self.bytes - chunk.bytes.len() + message.len();
                        chunk.bytes = message;
                    }
                    None => self.push(message, Some(slot)),
                }
                true
            }
        }
    }

    /// Adds the remainder of a message whose beginning is already written. The outbox must be empty.
    pub(crate) fn push_remainder(&mut self, remainder: Bytes) {
        self.push(remainder, None);
        self.is_front_started = true;
    }

    /// Adds a control frame or a notice, which no message replaces. Returns `false` if too many chunks wait: the client asks
    /// for them and does not read. The frame is added even so.
    #[must_use]
    pub(crate) fn push_control(&mut self, frame: Bytes) -> bool {
        const MAX_CHUNKS: usize = 64;
        let fits = self.queue.len() - self.slotted < MAX_CHUNKS;
        self.push(frame, None);
        fits
    }

    /// Discards every chunk that is not partly written, so that what is added next is written as soon as possible.
    pub(crate) fn discard_unsent(&mut self) {
        self.queue.truncate(usize::from(self.is_front_started));
        self.bytes = self.queue.iter().map(|chunk| chunk.bytes.len()).sum();
        self.slotted = self.queue.iter().filter(|chunk| chunk.slot.is_some()).count();
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
                front.bytes.advance(count);
                self.is_front_started |= count > 0;
                return;
            }
            count -= front.bytes.len();
            self.slotted -= usize::from(front.slot.is_some());
            self.queue.pop_front();
            self.is_front_started = false;
        }
        // Most clients need no outbox again for a long time: free the queue's memory.
        self.queue = VecDeque::new();
    }

    fn push(&mut self, bytes: Bytes, slot: Option<u32>) {
        self.bytes += bytes.len();
        self.slotted += usize::from(slot.is_some());
        self.queue.push_back(Chunk { bytes, slot });
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
        assert_eq!((0..100).take_while(|_| outbox.push_control("notice".into())).count(), 64);
        outbox.advance(5);
        assert_eq!((&chunks(&outbox)[..2], outbox.slotted), (&[&b"2"[..], b"03"][..], 98));
        assert!(outbox.push_message("new".into(), overflow, 0), "its message is written");
        assert_eq!((chunks(&outbox).last(), outbox.slotted), (Some(&&b"new"[..]), 99));
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
    fn control_frames_have_a_limit_of_their_own() {
        let mut outbox = Outbox::default();
        assert_eq!((0..100).take_while(|_| outbox.push_control("pong".into())).count(), 64);
    }
}
