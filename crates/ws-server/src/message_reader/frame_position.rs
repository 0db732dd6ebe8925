//! Where the bytes of a client are in its frames.

use std::io::Cursor;

use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;
use tokio_tungstenite::tungstenite::protocol::frame::coding::OpCode;

/// The longest header: two bytes, a length of eight, a mask of four.
const MAX_HEADER: usize = 14;

/// Follows the frames of a client, to know when no message is under way.
#[derive(Default)]
pub(super) struct FramePosition {
    /// The part of a header that has arrived.
    header: [u8; MAX_HEADER],
    header_length: usize,
    /// Bytes of the payload that have not arrived.
    remaining: u64,
    /// Further fragments of a message must follow.
    is_fragmented: bool,
}

impl FramePosition {
    /// Passes over bytes in which tungstenite has found no error.
    pub(super) fn advance(&mut self, mut bytes: &[u8]) {
        while let Some((&byte, rest)) = bytes.split_first() {
            if self.remaining > 0 {
                let count = self.remaining.min(bytes.len() as u64);
                self.remaining -= count;
                bytes = &bytes[count as usize..];
                continue;
            }
            self.header[self.header_length] = byte;
            self.header_length += 1;
            bytes = rest;
            let mut header = Cursor::new(&self.header[..self.header_length]);
            if let Ok(Some((header, length))) = FrameHeader::parse(&mut header) {
                self.header_length = 0;
                self.remaining = length;
                if matches!(header.opcode, OpCode::Data(_)) {
                    self.is_fragmented = !header.is_final;
                }
            }
        }
    }

    /// Whether the next byte begins a new message or a control frame.
    pub(super) fn is_between_messages(&self) -> bool {
        self.remaining == 0 && self.header_length == 0 && !self.is_fragmented
    }
}
