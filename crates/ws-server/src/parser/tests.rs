use super::*;
use proptest::prelude::*;

/// A masked frame, as a client sends it.
fn client_frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    match payload.len() {
        length @ 0..=125 => out.push(0x80 | length as u8),
        length @ 126..=0xFFFF => {
            out.push(0x80 | 126);
            out.extend((length as u16).to_be_bytes());
        }
        length => {
            out.push(0x80 | 127);
            out.extend((length as u64).to_be_bytes());
        }
    }
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    out.extend(mask);
    out.extend(payload.iter().enumerate().map(|(index, byte)| byte ^ mask[index & 3]));
    out
}

/// Parses the bytes in parts of this size.
fn parse(bytes: &[u8], part_size: usize) -> Result<Vec<String>, Violation> {
    let mut parser = Parser::new(1000);
    let mut events = Vec::new();
    for part in bytes.to_vec().chunks_mut(part_size) {
        parser.feed(part, |event| events.push(format!("{event:?}")))?;
    }
    Ok(events)
}

fn violation_code(bytes: &[u8]) -> u16 {
    parse(bytes, 1).unwrap_err().code
}

#[test]
fn the_masked_hello_of_the_rfc_is_a_message() {
    let hello = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    assert_eq!(parse(&hello, 3).unwrap(), ["Message"]);
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
        let ping = format!("{:?}", Event::Ping(b"are you there"));
        assert_eq!(parse(&bytes, part_size).unwrap(), [ping.as_str(), "Pong", "Message", "Close(1000)"]);
    }
}

#[test]
fn a_character_may_be_split_by_fragments_but_must_be_complete_in_the_end() {
    let [a, b, c] = ["€".as_bytes()[0], "€".as_bytes()[1], "€".as_bytes()[2]];
    let whole = [client_frame(0x01, &[a]), client_frame(0x00, &[b]), client_frame(0x80, &[c])].concat();
    assert_eq!(parse(&whole, 1).unwrap(), ["Message"]);
    assert_eq!(violation_code(&[client_frame(0x01, &[a]), client_frame(0x80, &[b])].concat()), 1007);
    assert_eq!(violation_code(&client_frame(0x81, &[0xC0, 0x80])), 1007);
    assert_eq!(
        parse(&client_frame(0x82, &[0xC0, 0x80]), 1).unwrap(),
        ["Message"],
        "a binary message may contain anything"
    );
}

#[test]
fn a_protocol_error_is_1002() {
    for (error, bytes) in [
        ("reserved bit", client_frame(0xC1, b"x")),
        ("not masked", vec![0x81, 1, b'x', 0, 0, 0]),
        ("unknown data opcode", client_frame(0x83, b"x")),
        ("unknown control opcode", client_frame(0x8B, b"x")),
        ("fragmented ping", client_frame(0x09, b"x")),
        ("long ping", client_frame(0x89, &[0; 126])),
        ("continuation without a message", client_frame(0x80, b"x")),
        ("message in a message", [client_frame(0x01, b"x"), client_frame(0x81, b"y")].concat()),
        ("short close", client_frame(0x88, b"x")),
        ("close code 1005", client_frame(0x88, &1005u16.to_be_bytes())),
        ("close code 999", client_frame(0x88, &999u16.to_be_bytes())),
    ] {
        assert_eq!(violation_code(&bytes), 1002, "{error}");
    }
}

#[test]
fn a_message_over_the_limit_is_1009_before_its_payload_arrives() {
    assert!(parse(&client_frame(0x81, &[b'x'; 1000]), 7).is_ok());
    assert_eq!(violation_code(&client_frame(0x81, &[b'x'; 1001])[..8]), 1009);
    assert_eq!(
        violation_code(&[client_frame(0x01, &[b'x'; 600]), client_frame(0x80, &[b'x'; 600])].concat()),
        1009
    );
    let endless = [0x82, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0];
    assert_eq!(violation_code(&endless), 1009);
}

proptest! {
    #[test]
    fn any_bytes_have_the_same_result_in_parts_of_any_size(bytes in prop::collection::vec(any::<u8>(), 0..300), part_size in 1usize..50) {
        prop_assert_eq!(parse(&bytes, part_size), parse(&bytes, 1));
    }

    #[test]
    fn every_text_is_a_message(text in ".{0,200}", part_size in 1usize..50) {
        prop_assert_eq!(parse(&client_frame(0x81, text.as_bytes()), part_size).unwrap(), ["Message"]);
    }
}
