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
    assert_eq!(hex::encode(hello(2, b"probe-client")), "594d51020c0000000000000070726f62652d636c69656e74");
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
    assert_eq!(said(&bytes), [Item::Refused(large), Item::Request { header: get, payload: Bytes::new() }]);
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
    assert_eq!(resumed(request(&get, None)), [Item::Refused(set.clone()), got], "a new header is no content");
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
