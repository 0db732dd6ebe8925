//! What waits to be written to one client.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes};

use crate::options::Overflow;

/// As many pieces as one `writev` takes without the kernel having to copy the list twice.
pub(crate) const MAX_SLICES: usize = 64;

/// Bytes in order. A piece is written whole or not at all, unless the connection ends.
#[derive(Default)]
pub(crate) struct Outbox {
    pieces: VecDeque<Piece>,
    bytes: usize,
    /// The first piece is partly written, and can neither be replaced nor dropped.
    is_first_begun: bool,
}

struct Piece {
    bytes: Bytes,
    /// A newer state may take its place.
    is_state: bool,
}

impl Outbox {
    /// Starts with bytes that must go first, whatever follows.
    pub(crate) fn starting_with(head: Bytes) -> Self {
        let mut outbox = Self::default();
        outbox.push(head, false);
        outbox.is_first_begun = true;
        outbox
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Adds a message of the service. `false`: there is no room, and the client must be given up.
    #[must_use]
    pub(crate) fn add(&mut self, message: Bytes, policy: Overflow) -> bool {
        match policy {
            Overflow::Close { max_bytes } => {
                // What waits is judged, not what comes: a client that keeps up gets a message of any size.
                let has_room = self.bytes <= max_bytes;
                if has_room {
                    self.push(message, false);
                }
                has_room
            }
            Overflow::KeepLatest => {
                let replaceable = usize::from(self.is_first_begun);
                match self.pieces.iter_mut().skip(replaceable).find(|piece| piece.is_state) {
                    Some(piece) => {
                        self.bytes = self.bytes - piece.bytes.len() + message.len();
                        piece.bytes = message;
                    }
                    None => self.push(message, true),
                }
                true
            }
        }
    }

    /// Adds the rest of a message whose beginning is written.
    pub(crate) fn add_rest(&mut self, rest: Bytes) {
        self.push(rest, false);
        self.is_first_begun = true;
    }

    /// Adds a frame of the protocol itself, which no policy replaces. `false`: the client sends pings and reads nothing.
    #[must_use]
    pub(crate) fn add_control(&mut self, frame: Bytes) -> bool {
        const MAX_WAITING: usize = 64;
        let has_room = self.pieces.len() < MAX_WAITING;
        self.push(frame, false);
        has_room
    }

    /// Drops all that is not begun, so that what is added next comes as soon as it can.
    pub(crate) fn abandon(&mut self) {
        self.pieces.truncate(usize::from(self.is_first_begun));
        self.bytes = self.pieces.iter().map(|piece| piece.bytes.len()).sum();
    }

    pub(crate) fn slices<'a>(&'a self, into: &mut [IoSlice<'a>; MAX_SLICES]) -> usize {
        self.pieces.iter().zip(into).map(|(piece, slot)| *slot = IoSlice::new(&piece.bytes)).count()
    }

    /// Takes off what was written.
    pub(crate) fn written(&mut self, mut count: usize) {
        self.bytes -= count;
        while let Some(first) = self.pieces.front_mut() {
            if count < first.bytes.len() {
                first.bytes.advance(count);
                self.is_first_begun |= count > 0;
                return;
            }
            count -= first.bytes.len();
            self.pieces.pop_front();
            self.is_first_begun = false;
        }
        // Most clients never wait again: the room goes back.
        self.pieces = VecDeque::new();
    }

    fn push(&mut self, bytes: Bytes, is_state: bool) {
        self.bytes += bytes.len();
        self.pieces.push_back(Piece { bytes, is_state });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(outbox: &Outbox) -> Vec<&[u8]> {
        outbox.pieces.iter().map(|piece| &piece.bytes[..]).collect()
    }

    #[test]
    fn lines_are_kept_in_order_until_there_is_no_room() {
        let policy = Overflow::Close { max_bytes: 7 };
        let mut outbox = Outbox::default();
        assert!(outbox.add("a long one".into(), policy));
        assert!(!outbox.add("two".into(), policy));
        outbox.written(4);
        assert_eq!(waiting(&outbox), [b"ng one"]);
        assert!(outbox.add("three".into(), policy));
        outbox.written(11);
        assert!(outbox.is_empty());
    }

    #[test]
    fn a_state_takes_the_place_of_the_one_that_waits() {
        let policy = Overflow::KeepLatest;
        let mut outbox = Outbox::starting_with("head".into());
        for state in ["s1", "s2", "s3"] {
            assert!(outbox.add(state.into(), policy));
        }
        assert_eq!(waiting(&outbox), [&b"head"[..], b"s3"]);
        outbox.written(5);
        assert!(outbox.add("s4".into(), policy) && outbox.add("s5".into(), policy));
        assert_eq!(waiting(&outbox), [b"3", &b"s5"[..]], "what is begun is finished");
    }

    #[test]
    fn giving_up_keeps_what_is_begun() {
        let mut outbox = Outbox::default();
        let policy = Overflow::Close { max_bytes: 100 };
        assert!(outbox.add("line 1".into(), policy) && outbox.add("line 2".into(), policy));
        outbox.written(2);
        outbox.abandon();
        assert!(outbox.add_control("bye".into()));
        assert_eq!(waiting(&outbox), [&b"ne 1"[..], b"bye"]);
    }

    #[test]
    fn protocol_frames_have_a_bound_of_their_own() {
        let mut outbox = Outbox::default();
        assert_eq!((0..100).take_while(|_| outbox.add_control("pong".into())).count(), 64);
    }
}
