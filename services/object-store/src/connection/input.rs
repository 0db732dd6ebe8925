//! What a client sends: received into a buffer, and decoded.

use bytes::BytesMut;

use super::close_reason::CloseReason;
use super::socket::{READ_MAX, READ_MIN, read};
use super::timeouts::{IdleTimeouts, PeerState};
use crate::header::RequestHeader;
use crate::limits::Limits;
use crate::stream::Stream;
use crate::ymq::{Decoder, Message};

pub(super) struct Input {
    pub(super) decoder: Decoder,
    pub(super) buffer: BytesMut,
    /// Size of the next read.
    read_size: usize,
    pub(super) timeouts: IdleTimeouts,
}

impl Input {
    /// Begins with what has been received behind the hello.
    pub(super) fn new(buffer: BytesMut, max_object: u64) -> Self {
        let (decoder, timeouts) = (Decoder::new(max_object), IdleTimeouts::new());
        Self { decoder, buffer, read_size: READ_MIN, timeouts }
    }

    /// Continues with a header that came over the client's previous connection.
    pub(super) fn resume(&mut self, pending_header: Option<RequestHeader>) {
        if let Some(header) = pending_header {
            self.decoder.resume(header);
        }
    }

    /// Receives what is available, at least one byte.
    pub(super) async fn receive(&mut self, stream: &mut Stream) -> Result<(), CloseReason> {
        self.buffer.reserve(self.read_size);
        let was_mid_message = self.is_mid_message();
        let count = read(stream, &mut self.buffer).await?;
        if was_mid_message {
            self.timeouts.count(count)
        } else {
            self.timeouts.restart()
        }
        let is_filled = self.buffer.len() == self.buffer.capacity();
        self.read_size = if is_filled { READ_MAX } else { READ_MIN };
        Ok(())
    }

    /// The next complete message, if there is one.
    pub(super) fn next(&mut self) -> Result<Option<Message>, CloseReason> {
        Ok(self.decoder.next(&mut self.buffer)?)
    }

    /// True in the middle of a request, when more bytes have to come.
    pub(super) fn is_mid_message(&self) -> bool {
        self.decoder.is_mid_message(&self.buffer)
    }

    /// Checks the timeout that applies now. A client whose requests are not read owes nothing.
    pub(super) fn check_timeouts(&self, is_read: bool, limits: &Limits) -> Result<(), CloseReason> {
        let peer = if is_read && self.is_mid_message() { PeerState::MidRequest } else { PeerState::Idle };
        self.timeouts.check(peer, limits)
    }
}
