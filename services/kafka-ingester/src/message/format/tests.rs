use super::*;

fn value(encoding: &Encoding, bytes: &[u8]) -> String {
    match encoding.value_to_json(bytes) {
        Ok(json) => String::from_utf8(json.into_owned()).unwrap(),
        Err(bad) => bad.to_string(),
    }
}

fn of(format: Format) -> Encoding {
    Encoding { format }
}

#[test]
fn texts_and_integers_become_the_field_value() {
    assert_eq!(value(&of(Format::Text), b"say \"hi\""), r#"{"value":"say \"hi\""}"#);
    assert_eq!(value(&of(Format::Text), b"{}"), r#"{"value":"{}"}"#);
    assert_eq!(value(&of(Format::Text), b"\xff"), "not_utf8: byte 0 is not UTF-8");
    assert_eq!(value(&of(Format::Integer), &[0, 0, 0, 0, 0, 0, 1, 0]), r#"{"value":256}"#);
    assert_eq!(value(&of(Format::Integer), &[255; 4]), r#"{"value":-1}"#);
    assert_eq!(value(&of(Format::Integer), &[0; 3]), "not_integer: 3 bytes are not 1, 2, 4 or 8");
}

#[test]
fn messagepack_is_found_by_its_first_byte() {
    let bytes = b"\x83\xa1a\x93\x01\xff\xca\x3f\xc0\x00\x00\x01\xc4\x02hi\xa1n\xcb\x7f\xf0\0\0\0\0\0\0";
    assert_eq!(value(&of(Format::Auto), bytes), r#"{"a":[1,-1,1.5],"1":"aGk=","n":"Infinity"}"#);
    let time = b"\x81\xa1t\xd6\xff\x00\x00\x00\x01";
    assert_eq!(value(&of(Format::Msgpack), time), r#"{"t":"1970-01-01T00:00:01Z"}"#);
    assert_eq!(value(&of(Format::Msgpack), b"\x07"), r#"{"value":7}"#);
    for (bytes, reason) in [
        (b"\x81\xa1a".as_slice(), "not_msgpack: "),
        (b"\x80x", "not_msgpack: 1 bytes are left over"),
        (b"\x81\xc0\x01", "not_msgpack: nil is no name of a field"),
        (&[0x91; 100_000], "not_msgpack: depth limit exceeded"),
        // An array that says that it has four billion items.
        (b"\xdd\xff\xff\xff\xff\x01", "not_msgpack: "),
    ] {
        assert!(value(&of(Format::Auto), bytes).starts_with(reason), "{}", value(&of(Format::Auto), bytes));
    }
}

#[test]
fn a_key_that_is_a_text_stays_one_although_messagepack_may_begin_so() {
    let key = "\u{700}x".as_bytes();
    assert!(msgpack::is_collection(key));
    assert_eq!(of(Format::Auto).key_to_json(key).unwrap(), key);
    assert_eq!(of(Format::Text).key_to_json(b"7").unwrap(), br#""7""#.as_slice());
    assert_eq!(of(Format::Auto).key_to_json(b"\x91\x07").unwrap(), b"[7]".as_slice());
}
