use super::*;
use crate::header::encode_id;

fn header(kind: RequestKind, payload_length: u64) -> RequestHeader {
    RequestHeader { id: ObjectId::new(&[7; 32]).unwrap(), payload_length, request_id: 5, kind }
}

fn frame(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u64).to_le_bytes(), bytes].concat()
}

fn request(header: &RequestHeader, payload: Option<&[u8]>) -> Vec<u8> {
    [frame(&header.encode()), payload.map(frame).unwrap_or_default()].concat()
}

/// Decodes the bytes, given in parts of `part_len` bytes.
fn decode(bytes: &[u8], part_len: usize) -> (Vec<Message>, Result<(), ProtocolError>) {
    let (mut decoder, mut buf, mut messages) = (Decoder::new(100), BytesMut::new(), Vec::new());
    for part in bytes.chunks(part_len) {
        buf.extend_from_slice(part);
        loop {
            match decoder.next(&mut buf) {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(error) => return (messages, Err(error)),
            }
        }
    }
    (messages, Ok(()))
}

fn messages_of(requests: &[Vec<u8>]) -> Vec<Message> {
    let bytes = requests.concat();
    let (whole, end) = decode(&bytes, bytes.len());
    assert_eq!(end, Ok(()));
    assert_eq!(decode(&bytes, 1).0, whole, "however the bytes are cut");
    whole
}

#[test]
fn requests_come_with_their_payloads() {
    let (set, get) = (header(RequestKind::Set, 5), header(RequestKind::Get, u64::MAX));
    let empty = header(RequestKind::Set, 0);
    let copy = header(RequestKind::Duplicate, 48);
    let original = encode_id(&set.id);
    let bytes = [
        request(&set, Some(b"hello")),
        request(&get, None),
        request(&empty, Some(b"")),
        request(&copy, Some(&original)),
    ];
    let expected = [(set, Bytes::from("hello")), (get, Bytes::new()), (empty, Bytes::new())];
    let expected = expected.into_iter().chain([(copy, Bytes::copy_from_slice(&original))]);
    let expected: Vec<_> = expected.map(|(header, payload)| Message::Request { header, payload }).collect();
    assert_eq!(messages_of(&bytes), expected);
}

#[test]
fn a_payload_of_another_length_refuses_its_request_and_nothing_else() {
    let (set, get) = (header(RequestKind::Set, 5), header(RequestKind::Get, 1));
    let got = || Message::Request { header: get.clone(), payload: Bytes::new() };
    let refused = || Message::Refused(set.clone());
    assert_eq!(messages_of(&[request(&set, Some(b"hi")), request(&get, None)]), [refused(), got()]);
    assert_eq!(messages_of(&[request(&set, Some(&[0; 80])), request(&get, None)]), [refused(), got()]);
    assert_eq!(
        messages_of(&[request(&set, None), request(&get, None)]),
        [refused(), got()],
        "the payload never came"
    );
}

#[test]
fn a_payload_that_is_too_large_is_skipped_and_its_request_refused() {
    let (large, get) = (header(RequestKind::Set, 101), header(RequestKind::Get, 1));
    let bytes = [request(&large, Some(&[0; 101])), request(&get, None)];
    assert_eq!(
        messages_of(&bytes),
        [Message::Refused(large), Message::Request { header: get, payload: Bytes::new() }]
    );
    let copy = header(RequestKind::Duplicate, 3);
    assert_eq!(messages_of(&[request(&copy, Some(b"abc"))]), [Message::Refused(copy)]);
}

#[test]
fn a_false_length_costs_no_memory() {
    let false_header = header(RequestKind::Set, 1 << 60);
    let announced = [frame(&false_header.encode()), (1u64 << 60).to_le_bytes().to_vec()].concat();
    let (mut decoder, mut buf) = (Decoder::new(100), BytesMut::from(announced.as_slice()));
    for _ in 0..3 {
        buf.extend_from_slice(&[0; 4096]);
        assert_eq!(decoder.next(&mut buf), Ok(None));
        assert!(buf.is_empty());
    }
}

#[test]
fn a_payload_may_come_over_the_next_connection_of_its_client() {
    let (set, get) = (header(RequestKind::Set, 80), header(RequestKind::Get, 1));
    let resumed = |bytes: Vec<u8>| {
        let mut first = Decoder::new(100);
        assert_eq!(first.next(&mut BytesMut::from(frame(&set.encode()).as_slice())), Ok(None));
        let (mut second, mut buf) = (Decoder::new(100), BytesMut::from(bytes.as_slice()));
        second.resume(first.pending_header().unwrap());
        std::iter::from_fn(|| second.next(&mut buf).unwrap()).collect::<Vec<_>>()
    };
    let payload = Bytes::from_static(&[1; 80]);
    assert_eq!(resumed(frame(&payload)), [Message::Request { header: set.clone(), payload }]);
    let got = Message::Request { header: get.clone(), payload: Bytes::new() };
    assert_eq!(
        resumed(request(&get, None)),
        [Message::Refused(set.clone()), got],
        "a new header is not taken for the payload"
    );
}

#[test]
fn a_payload_whose_header_is_unknown_is_refused_and_the_connection_continues() {
    let get = header(RequestKind::Get, 1);
    for orphan in [[1; 5].as_slice(), &[1; 80]] {
        let got = Message::Request { header: get.clone(), payload: Bytes::new() };
        assert_eq!(
            messages_of(&[frame(orphan), request(&get, None)]),
            [Message::Refused(unknown_header()), got]
        );
    }
}

#[test]
fn garbage_ends_the_connection_at_once() {
    let garbage = |bytes: &[u8]| decode(bytes, 1).1.unwrap_err();
    let first = request(&header(RequestKind::Get, 1), None);
    assert_eq!(garbage(&[first.clone(), frame(b"short")].concat()), ProtocolError::Header);
    assert_eq!(garbage(&[first, frame(&[1; 80])].concat()), ProtocolError::Header);
    assert_eq!(garbage(&[0xff; 8]), ProtocolError::Header);
}
