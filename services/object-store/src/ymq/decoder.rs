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
mod tests {
    use super::*;
    use crate::header::encode_id;
    use crate::ymq::hello;

    fn header(ask: Ask, payload_length: u64) -> RequestHeader {
        RequestHeader { id: ObjectId::new(&[7; 32]).unwrap(), payload_length, request: 5, ask }
    }

    fn frame(bytes: &[u8]) -> Vec<u8> {
        [&(bytes.len() as u64).to_le_bytes(), bytes].concat()
    }

    fn request(header: &RequestHeader, payload: Option<&[u8]>) -> Vec<u8> {
        [frame(&header.encode()), payload.map(frame).unwrap_or_default()].concat()
    }

    /// Everything that the bytes say, given whole or byte by byte.
    fn items(bytes: &[u8], step: usize) -> (Vec<Item>, Result<(), Malformed>) {
        let (mut decoder, mut buf, mut items) = (Decoder::new(100), BytesMut::new(), Vec::new());
        for part in bytes.chunks(step) {
            buf.extend_from_slice(part);
            loop {
                match decoder.next(&mut buf) {
                    Ok(Some(item)) => items.push(item),
                    Ok(None) => break,
                    Err(malformed) => return (items, Err(malformed)),
                }
            }
        }
        (items, Ok(()))
    }

    fn said(requests: &[Vec<u8>]) -> Vec<Item> {
        let bytes = [hello(2, b"me"), requests.concat()].concat();
        let (whole, end) = items(&bytes, bytes.len());
        assert_eq!(end, Ok(()));
        assert_eq!(items(&bytes, 1).0, whole, "however the bytes are cut");
        whole.into_iter().skip(1).collect()
    }

    #[test]
    fn both_versions_say_hello() {
        for version in [1, 2] {
            let (items, _) = items(&hello(version, b"probe-client"), 5);
            assert_eq!(items, [Item::Hello { version, identity: Bytes::from_static(b"probe-client") }]);
        }
        assert_eq!(
            hex::encode(hello(2, b"probe-client")),
            "594d51020c0000000000000070726f62652d636c69656e74"
        );
    }

    #[test]
    fn requests_come_with_their_payloads() {
        let (set, get) = (header(Ask::Set, 5), header(Ask::Get, u64::MAX));
        let empty = header(Ask::Set, 0);
        let copy = header(Ask::Duplicate, 48);
        let original = encode_id(&set.id);
        let bytes = [
            request(&set, Some(b"hello")),
            request(&get, None),
            request(&empty, Some(b"")),
            request(&copy, Some(&original)),
        ];
        let wanted = [(set, Bytes::from("hello")), (get, Bytes::new()), (empty, Bytes::new())];
        let wanted = wanted.into_iter().chain([(copy, Bytes::copy_from_slice(&original))]);
        let wanted: Vec<_> = wanted.map(|(header, payload)| Item::Request { header, payload }).collect();
        assert_eq!(said(&bytes), wanted);
    }

    #[test]
    fn a_payload_of_another_length_refuses_its_request_and_nothing_else() {
        let (set, get) = (header(Ask::Set, 5), header(Ask::Get, 1));
        let got = || Item::Request { header: get.clone(), payload: Bytes::new() };
        let refused = || Item::Refused(set.clone());
        assert_eq!(said(&[request(&set, Some(b"hi")), request(&get, None)]), [refused(), got()]);
        assert_eq!(said(&[request(&set, Some(&[0; 80])), request(&get, None)]), [refused(), got()]);
        assert_eq!(
            said(&[request(&set, None), request(&get, None)]),
            [refused(), got()],
            "the payload never came"
        );
    }

    #[test]
    fn what_is_too_large_is_read_past_and_refused() {
        let (large, get) = (header(Ask::Set, 101), header(Ask::Get, 1));
        let bytes = [request(&large, Some(&[0; 101])), request(&get, None)];
        assert_eq!(
            said(&bytes),
            [Item::Refused(large), Item::Request { header: get, payload: Bytes::new() }]
        );
        let copy = header(Ask::Duplicate, 3);
        assert_eq!(said(&[request(&copy, Some(b"abc"))]), [Item::Refused(copy)]);
    }

    #[test]
    fn a_lie_about_a_length_costs_nothing() {
        let lie = header(Ask::Set, 1 << 60);
        let mut bytes = [hello(2, b""), frame(&lie.encode()), (1u64 << 60).to_le_bytes().to_vec()].concat();
        bytes.extend_from_slice(&[0; 4096]);
        assert_eq!(items(&bytes, 4096).0.len(), 1);
    }

    #[test]
    fn a_payload_may_come_over_the_client_s_next_connection() {
        let (set, get) = (header(Ask::Set, 80), header(Ask::Get, 1));
        let resumed = |bytes: Vec<u8>| {
            let mut first = Decoder::new(100);
            let mut buf = BytesMut::from([hello(2, b"me"), frame(&set.encode())].concat().as_slice());
            while let Ok(Some(_)) = first.next(&mut buf) {}
            let (mut second, mut buf) =
                (Decoder::new(100), BytesMut::from([hello(2, b"me"), bytes].concat().as_slice()));
            second.next(&mut buf).unwrap();
            second.resume(first.unfinished().unwrap());
            std::iter::from_fn(|| second.next(&mut buf).unwrap()).collect::<Vec<_>>()
        };
        let payload = Bytes::from_static(&[1; 80]);
        assert_eq!(resumed(frame(&payload)), [Item::Request { header: set.clone(), payload }]);
        let got = Item::Request { header: get.clone(), payload: Bytes::new() };
        assert_eq!(
            resumed(request(&get, None)),
            [Item::Refused(set.clone()), got],
            "a new header is no content"
        );
    }

    #[test]
    fn a_payload_whose_header_nobody_remembers_is_refused_and_the_connection_goes_on() {
        let get = header(Ask::Get, 1);
        for orphan in [[1; 5].as_slice(), &[1; 80]] {
            let got = Item::Request { header: get.clone(), payload: Bytes::new() };
            assert_eq!(said(&[frame(orphan), request(&get, None)]), [Item::Refused(unknown()), got]);
        }
    }

    #[test]
    fn garbage_ends_the_connection_at_once() {
        let garbage = |bytes: &[u8]| items(bytes, 1).1.unwrap_err();
        assert_eq!(garbage(b"G"), Malformed::Magic);
        assert_eq!(garbage(b"YMQ\x03"), Malformed::Magic);
        assert_eq!(garbage(&[b"YMQ\x02".as_slice(), &[0xff; 8]].concat()), Malformed::Identity);
        let first = [hello(2, b""), request(&header(Ask::Get, 1), None)].concat();
        assert_eq!(garbage(&[first.clone(), frame(b"short")].concat()), Malformed::Header);
        assert_eq!(garbage(&[first, frame(&[1; 80])].concat()), Malformed::Header);
        assert_eq!(garbage(&[hello(2, b""), vec![0xff; 8]].concat()), Malformed::Header);
    }
}
