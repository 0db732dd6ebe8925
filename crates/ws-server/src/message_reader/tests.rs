use super::*;
use proptest::prelude::*;

/// A masked frame, as a client sends it.
fn client_frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    match payload.len() {
        length @ 0..=125 => out.push(0x80 | length as u8),
        length => {
            out.push(0x80 | 126);
            out.extend((length as u16).to_be_bytes());
        }
    }
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    out.extend(mask);
    out.extend(payload.iter().enumerate().map(|(index, byte)| byte ^ mask[index & 3]));
    out
}

/// Reads the bytes in parts of this size. Returns the events, the replies and the code of a violation.
fn read(bytes: &[u8], part_size: usize) -> (Vec<String>, Vec<u8>, Option<u16>) {
    let mut reader = MessageReader::new(1000);
    let (mut events, mut replies, mut is_closed) = (Vec::new(), Vec::new(), false);
    for part in bytes.chunks(part_size) {
        let result = reader.feed(part, &mut replies, |event| {
            is_closed |= matches!(event, Event::Close(_));
            events.push(format!("{event:?}"));
        });
        if let Err(violation) = result {
            return (events, replies, Some(violation.code));
        }
        if is_closed {
            break;
        }
    }
    (events, replies, None)
}

#[test]
fn the_masked_hello_of_the_rfc_is_a_message() {
    let hello = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    assert_eq!(read(&hello, 3), (vec![r#"Text("Hello")"#.to_owned()], vec![], None));
}

#[test]
fn control_frames_may_come_between_the_fragments_of_a_message() {
    let bytes = [
        client_frame(0x01, "grü".as_bytes()),
        client_frame(0x89, b"are you there"),
        client_frame(0x8A, b""),
        client_frame(0x80, "ße".as_bytes()),
        client_frame(0x88, &1000u16.to_be_bytes()),
    ]
    .concat();
    for part_size in 1..bytes.len() {
        let (events, replies, violation) = read(&bytes, part_size);
        assert_eq!(events, [r#"Text("grüße")"#, "Close(1000)"]);
        assert_eq!((&replies[..], violation), (&b"\x8A\x0Dare you there"[..], None));
    }
}

#[test]
fn nothing_is_kept_between_messages() {
    let fragments = [
        client_frame(0x01, b"a"),
        client_frame(0x89, b""),
        client_frame(0x00, &[]),
        client_frame(0x80, b"b"),
    ]
    .concat();
    let unmasked_length: usize = fragments.len();
    let mut reader = MessageReader::new(1000);
    for (index, byte) in fragments.iter().enumerate() {
        reader.feed(&[*byte], &mut Vec::new(), |_| {}).unwrap();
        assert_eq!(reader.current.is_some(), index + 1 < unmasked_length, "after {} bytes", index + 1);
    }
    reader.feed(&client_frame(0x82, &[0; 900]), &mut Vec::new(), |_| {}).unwrap();
    assert!(reader.current.is_none());
    assert!(size_of::<MessageReader>() <= 16);
}

proptest! {
    #[test]
    fn any_bytes_have_the_same_result_in_parts_of_any_size(bytes in prop::collection::vec(any::<u8>(), 0..300), part_size in 1usize..50) {
        prop_assert_eq!(read(&bytes, part_size), read(&bytes, 1));
    }

    #[test]
    fn every_text_is_a_message(text in ".{0,200}", part_size in 1usize..50) {
        let events = read(&client_frame(0x81, text.as_bytes()), part_size).0;
        prop_assert_eq!(events, [format!("{:?}", Event::Text(&text))]);
    }
}
