//! The bytes of one connection, however they are cut, as [`Item`]s.

use bytes::{Buf, Bytes, BytesMut};

use super::{IDENTITY_MAX, INLINE_MAX, Item, MAGIC, Malformed};
use crate::header::{Ask, HEADER_LEN, ID_LEN, RequestHeader};
use crate::id::ObjectId;

enum State {
    Magic,
    Identity {
        version: u8,
    },
    /// The connection's first frame: a header, unless the client's previous connection brought its header.
    First,
    Header,
    Payload(RequestHeader),
    /// As `Payload`, but the header came over a connection that was reset before the payload arrived.
    Resumed(RequestHeader),
    /// Bytes to be read past, and the request that is refused after them.
    Skip {
        left: u64,
        refused: Option<RequestHeader>,
    },
    /// A frame of a header's length came instead of a payload: a header if it looks like one.
    Stray,
}

/// Reads what one client sends.
pub struct Decoder {
    state: State,
    max_object: u64,
}

impl Decoder {
    /// For a new connection. Sets of more than `max_object` bytes are refused.
    pub fn new(max_object: u64) -> Self {
        Self { state: State::Magic, max_object }
    }

    /// The client's header that waits for its payload, if there is one: taken along when the client connects again.
    pub fn unfinished(self) -> Option<RequestHeader> {
        match self.state {
            State::Payload(header) | State::Resumed(header) => Some(header),
            _ => None,
        }
    }

    /// Goes on with a header that came over the client's previous connection. To be called right after the hello.
    pub fn resume(&mut self, header: RequestHeader) {
        self.state = State::Resumed(header);
    }

    /// True in the middle of the hello or of a request, when more bytes are owed.
    pub fn owes_more(&self, buf: &BytesMut) -> bool {
        !buf.is_empty() || !matches!(self.state, State::First | State::Header | State::Resumed(_))
    }

    /// True until the hello has been read.
    pub fn is_new(&self) -> bool {
        matches!(self.state, State::Magic | State::Identity { .. })
    }

    /// The next item that `buf` holds whole; `None` when more bytes are needed. Takes what it used from `buf`.
    ///
    /// # Errors
    /// When the connection cannot go on.
    pub fn next(&mut self, buf: &mut BytesMut) -> Result<Option<Item>, Malformed> {
        loop {
            match &mut self.state {
                State::Magic => {
                    let known = MAGIC.iter().zip(buf.iter()).all(|(known, byte)| known == byte);
                    if !known || buf.get(3).is_some_and(|version| !matches!(version, 1 | 2)) {
                        return Err(Malformed::Magic);
                    }
                    let Some(&version) = buf.get(3) else { return Ok(None) };
                    buf.advance(4);
                    self.state = State::Identity { version };
                }
                &mut State::Identity { version } => {
                    let Some(length) = frame_length(buf) else { return Ok(None) };
                    let length = usize::try_from(length).ok().filter(|&length| length <= IDENTITY_MAX);
                    let Some(identity) = take_frame(buf, length.ok_or(Malformed::Identity)?) else {
                        return Ok(None);
                    };
                    self.state = State::First;
                    // A copy, so that the identity does not keep the connection's read buffer.
                    return Ok(Some(Item::Hello { version, identity: Bytes::copy_from_slice(&identity) }));
                }
                State::First => {
                    let Some(length) = frame_length(buf) else { return Ok(None) };
                    let is_header = match buf.get(8..8 + HEADER_LEN) {
                        _ if length != HEADER_LEN as u64 => false,
                        None => return Ok(None),
                        Some(frame) => RequestHeader::decode(frame).is_some(),
                    };
                    self.state = if is_header || length > self.max_object {
                        State::Header
                    } else {
                        State::Skip { left: 8 + length, refused: Some(unknown()) }
                    };
                }
                State::Header => {
                    let Some(length) = frame_length(buf) else { return Ok(None) };
                    if length != HEADER_LEN as u64 {
                        return Err(Malformed::Header);
                    }
                    let Some(frame) = take_frame(buf, HEADER_LEN) else { return Ok(None) };
                    let header = RequestHeader::decode(&frame).ok_or(Malformed::Header)?;
                    if !header.has_payload() {
                        return Ok(Some(Item::Request { header, payload: Bytes::new() }));
                    }
                    self.state = State::Payload(header);
                }
                State::Payload(_) | State::Resumed(_) => return Ok(self.payload(buf)),
                State::Skip { left, refused } => {
                    let skipped = buf.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                    buf.advance(skipped);
                    *left -= skipped as u64;
                    if *left > 0 {
                        return Ok(None);
                    }
                    let refused = refused.take();
                    self.state = State::Header;
                    if let Some(header) = refused {
                        return Ok(Some(Item::Refused(header)));
                    }
                }
                State::Stray => {
                    let Some(frame) = buf.get(8..8 + HEADER_LEN) else { return Ok(None) };
                    self.state = match RequestHeader::decode(frame) {
                        Some(_) => State::Header,
                        None => State::Skip { left: 8 + HEADER_LEN as u64, refused: None },
                    };
                }
            }
        }
    }

    /// The frame that should be the payload of the header in `self.state`.
    fn payload(&mut self, buf: &mut BytesMut) -> Option<Item> {
        let length = frame_length(buf)?;
        let (header, resumed) = match &self.state {
            State::Payload(header) => (header, false),
            State::Resumed(header) => (header, true),
            _ => return None,
        };
        // A client that lost its connection between header and payload sends the payload first thing, or a new header.
        let lost = resumed && length == HEADER_LEN as u64 && {
            let frame = buf.get(8..8 + HEADER_LEN)?;
            RequestHeader::decode(frame).is_some()
        };
        if length != header.payload_length || lost {
            let refused = Item::Refused(header.clone());
            self.state = match length {
                80 => State::Stray,
                // The frame's own length goes too; one that ends beyond 2^64 never ends.
                length => State::Skip { left: length.saturating_add(8), refused: None },
            };
            return Some(refused);
        }
        let wanted = match header.ask {
            Ask::Duplicate => length == ID_LEN as u64,
            _ => length <= self.max_object,
        };
        if !wanted {
            let refused = Some(header.clone());
            self.state = State::Skip { left: length.saturating_add(8), refused };
            return self.next(buf).ok()?;
        }
        if length > INLINE_MAX as u64 {
            buf.advance(8);
            let header = header.clone();
            self.state = State::Header;
            return Some(Item::Body(header));
        }
        let header = header.clone();
        // The cast cannot cut: the length is at most INLINE_MAX.
        let payload = take_frame(buf, length as usize)?;
        self.state = State::Header;
        Some(Item::Request { header, payload })
    }
}

/// Stands for a header that nobody remembers: it went to a node that has been restarted since.
fn unknown() -> RequestHeader {
    let id = ObjectId::from_wire(&[0; 32]);
    RequestHeader { id, payload_length: 0, request: 0, ask: Ask::Unknown(u16::MAX) }
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
