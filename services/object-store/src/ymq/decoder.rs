//! Decodes what comes over one connection after the hello, in parts of any size, into [`Message`]s.

use bytes::{Buf, Bytes, BytesMut};

use super::message::{INLINE_MAX, Message, ProtocolError};
use crate::header::{HEADER_LEN, ID_LEN, RequestHeader, RequestKind};
use crate::id::ObjectId;

enum State {
    /// The first frame after the hello. It is a payload if its header came over the client's previous connection.
    FirstFrame,
    Header,
    Payload(RequestHeader),
    /// The caller is receiving the payload of a [`Message::LargeSet`].
    LargePayload(RequestHeader),
    /// As `Payload`, but the header came over a connection that was reset before the payload arrived.
    Resumed(RequestHeader),
    /// Bytes to skip, and the request that is refused after them.
    Skip {
        remaining: u64,
        refused: Option<RequestHeader>,
    },
    /// A frame as long as a header came instead of a payload. It is a header if it can be decoded as one.
    HeaderOrJunk,
}

/// Decodes what one client sends.
pub struct Decoder {
    state: State,
    max_object: u64,
}

impl Decoder {
    /// A decoder for a new connection. Sets of more than `max_object` bytes are refused.
    pub fn new(max_object: u64) -> Self {
        Self { state: State::FirstFrame, max_object }
    }

    /// The header whose payload has not arrived, if there is one. It is used again when the client reconnects.
    pub fn pending_header(self) -> Option<RequestHeader> {
        match self.state {
            State::Payload(header) | State::LargePayload(header) | State::Resumed(header) => Some(header),
            _ => None,
        }
    }

    /// Continues with a header that came over the client's previous connection. Call it before anything is decoded.
    pub fn resume(&mut self, header: RequestHeader) {
        self.state = State::Resumed(header);
    }

    /// The caller has the whole payload of a [`Message::LargeSet`].
    pub fn payload_received(&mut self) {
        self.state = State::Header;
    }

    /// True while the caller is receiving the payload of a [`Message::LargeSet`].
    pub fn is_in_large_payload(&self) -> bool {
        matches!(self.state, State::LargePayload(_))
    }

    /// True in the middle of a request, when more bytes have to come.
    pub fn is_mid_message(&self, buf: &BytesMut) -> bool {
        !buf.is_empty() || !matches!(self.state, State::FirstFrame | State::Header | State::Resumed(_))
    }

    /// Decodes the next complete message and removes it from `buf`. `None` if more bytes are needed.
    ///
    /// # Errors
    /// When the connection cannot continue.
    pub fn next(&mut self, buf: &mut BytesMut) -> Result<Option<Message>, ProtocolError> {
        loop {
            match &mut self.state {
                State::FirstFrame => {
                    let Some(length) = frame_length(buf) else { return Ok(None) };
                    let is_header = match buf.get(8..8 + HEADER_LEN) {
                        _ if length != HEADER_LEN as u64 => false,
                        None => return Ok(None),
                        Some(frame) => RequestHeader::decode(frame).is_some(),
                    };
                    self.state = if is_header || length > self.max_object {
                        State::Header
                    } else {
                        State::Skip { remaining: 8 + length, refused: Some(unknown_header()) }
                    };
                }
                State::Header => {
                    let Some(length) = frame_length(buf) else { return Ok(None) };
                    if length != HEADER_LEN as u64 {
                        return Err(ProtocolError::Header);
                    }
                    let Some(frame) = take_frame(buf, HEADER_LEN) else { return Ok(None) };
                    let header = RequestHeader::decode(&frame).ok_or(ProtocolError::Header)?;
                    if !header.has_payload() {
                        return Ok(Some(Message::Request { header, payload: Bytes::new() }));
                    }
                    self.state = State::Payload(header);
                }
                State::Payload(_) | State::Resumed(_) => return Ok(self.payload(buf)),
                State::LargePayload(_) => self.payload_received(),
                State::Skip { remaining, refused } => {
                    let skipped = buf.len().min(usize::try_from(*remaining).unwrap_or(usize::MAX));
                    buf.advance(skipped);
                    *remaining -= skipped as u64;
                    if *remaining > 0 {
                        return Ok(None);
                    }
                    let refused = refused.take();
                    self.state = State::Header;
                    if let Some(header) = refused {
                        return Ok(Some(Message::Refused(header)));
                    }
                }
                State::HeaderOrJunk => {
                    let Some(frame) = buf.get(8..8 + HEADER_LEN) else { return Ok(None) };
                    self.state = match RequestHeader::decode(frame) {
                        Some(_) => State::Header,
                        None => State::Skip { remaining: 8 + HEADER_LEN as u64, refused: None },
                    };
                }
            }
        }
    }

    /// Decodes the frame that should be the payload of the header in `self.state`.
    fn payload(&mut self, buf: &mut BytesMut) -> Option<Message> {
        let length = frame_length(buf)?;
        let (header, resumed) = match &self.state {
            State::Payload(header) => (header, false),
            State::Resumed(header) => (header, true),
            _ => return None,
        };
        // A client that reconnected between header and payload sends the payload first, or gave up on it and sends a new
        // header.
        let gave_up = resumed && length == HEADER_LEN as u64 && {
            let frame = buf.get(8..8 + HEADER_LEN)?;
            RequestHeader::decode(frame).is_some()
        };
        if length != header.payload_length || gave_up {
            let refused = Message::Refused(header.clone());
            self.state = match length {
                80 => State::HeaderOrJunk,
                // The length field of the frame is skipped too. A frame that would end beyond 2^64 never ends.
                length => State::Skip { remaining: length.saturating_add(8), refused: None },
            };
            return Some(refused);
        }
        let is_allowed = match header.kind {
            RequestKind::Duplicate => length == ID_LEN as u64,
            _ => length <= self.max_object,
        };
        if !is_allowed {
            let refused = Some(header.clone());
            self.state = State::Skip { remaining: length.saturating_add(8), refused };
            return self.next(buf).ok()?;
        }
        if length > INLINE_MAX as u64 {
            buf.advance(8);
            let header = header.clone();
            self.state = State::LargePayload(header.clone());
            return Some(Message::LargeSet(header));
        }
        let header = header.clone();
        // The cast cannot truncate: the length is at most INLINE_MAX.
        let payload = take_frame(buf, length as usize)?;
        self.state = State::Header;
        Some(Message::Request { header, payload })
    }
}

/// Stands for a header that was sent to a node that has since restarted.
fn unknown_header() -> RequestHeader {
    let id = ObjectId::from_wire(&[0; 32]);
    RequestHeader { id, payload_length: 0, request_id: 0, kind: RequestKind::Unknown(u16::MAX) }
}

fn frame_length(buf: &BytesMut) -> Option<u64> {
    buf.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
}

fn take_frame(buf: &mut BytesMut, length: usize) -> Option<Bytes> {
    if buf.len() < 8 + length {
        return None;
    }
    buf.advance(8);
    Some(buf.split_to(length).freeze())
}

#[cfg(test)]
mod tests;
