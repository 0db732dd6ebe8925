//! What is written to a client.

use std::collections::VecDeque;

use tokio::time::Instant;

use crate::outgoing::OutgoingResponse;
use crate::reply_to::Woken;
use crate::write_buffer::WriteBuffer;

pub(super) struct Output {
    pub(super) buffer: WriteBuffer,
    /// Responses taken from the session, to be encoded into the buffer.
    pub(super) taken: VecDeque<OutgoingResponse>,
    /// Responses were taken since the session was last told that all are written.
    pub(super) has_taken: bool,
    /// Clients that must read their responses before this client reads the one to the request that made them possible.
    pub(super) woken: Woken,
    pub(super) last_write: Instant,
}

impl Output {
    /// Begins with the hello.
    pub(super) fn new(hello: &[u8]) -> Self {
        let mut buffer = WriteBuffer::default();
        buffer.push_bytes(hello);
        Self {
            buffer,
            taken: VecDeque::new(),
            has_taken: false,
            woken: Woken::default(),
            last_write: Instant::now(),
        }
    }
}
