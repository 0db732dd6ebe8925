use super::*;
use proptest::prelude::*;

fn value(encoding: &Encoding, bytes: &[u8]) -> String {
    value_by(encoding, None, bytes)
}

fn value_by(encoding: &Encoding, schemas: Option<&SchemaCache>, bytes: &[u8]) -> String {
    match encoding.value_to_json(bytes, schemas) {
        Ok(json) => String::from_utf8(json.into_owned()).unwrap(),
        Err(Undecoded::Bad(bad)) => bad.to_string(),
        Err(Undecoded::NeedsSchema(id)) => format!("needs schema {}", id.0),
    }
}

fn of(format: Format) -> Encoding {
    Encoding { format, ..Encoding::default() }
}

fn avro(schema: &str) -> Encoding {
    let schema = Some(Arc::new(AvroSchema::parse(schema, &[]).unwrap()));
    Encoding { format: Format::Avro, schema }
}

fn schemas(id: u32, schema: Result<Schema, String>) -> SchemaCache {
    let schemas = SchemaCache::default();
    schemas.put(SchemaId(id), schema);
    schemas
}

/// With a registry that has this.
fn framed(schemas: &SchemaCache, bytes: &[u8]) -> String {
    value_by(&Encoding::default(), Some(schemas), bytes)
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
    assert_eq!(of(Format::Auto).key_to_json(key, None).unwrap(), key);
    assert_eq!(of(Format::Text).key_to_json(b"7", None).unwrap(), br#""7""#.as_slice());
    assert_eq!(of(Format::Auto).key_to_json(b"\x91\x07", None).unwrap(), b"[7]".as_slice());
}

#[test]
fn avro_is_read_by_its_schema() {
    let schema = r#"{"type":"record","name":"R","fields":[
        {"name":"id","type":"long"},{"name":"s","type":["null","string"]},
        {"name":"d","type":{"type":"bytes","logicalType":"decimal","precision":6,"scale":2}},
        {"name":"t","type":{"type":"long","logicalType":"timestamp-millis"}},
        {"name":"day","type":{"type":"int","logicalType":"date"}},
        {"name":"m","type":{"type":"map","values":{"type":"array","items":"double"}}},
        {"name":"e","type":{"type":"enum","name":"E","symbols":["A","B"]}},
        {"name":"next","type":["null","R"]}]}"#;
    let encoding = avro(schema);
    let bytes = b"\x0e\x02\x04hi\x04\x04\xe2\xd0\x0f\x02\x02\x02k\x02\0\0\0\0\0\0\xf8\x3f\0\0\x02\x00";
    let json = r#"{"id":7,"s":"hi","d":12.50,"t":"1970-01-01T00:00:01Z","day":"1970-01-02","m":{"k":[1.5]},"e":"B","next":null}"#;
    assert_eq!(value(&encoding, bytes), json);
    for end in 0..bytes.len() {
        assert!(value(&encoding, &bytes[..end]).starts_with("not_avro: it ends "), "{end}");
    }
    assert_eq!(value(&encoding, &[bytes.as_slice(), b"x"].concat()), "not_avro: 1 bytes are left over");
    assert_eq!(value(&avro(r#""string""#), b"\x04hi"), r#"{"value":"hi"}"#);
}

#[test]
fn times_of_avro_that_no_calendar_has_stay_numbers() {
    let (int, long) = ([i32::MIN, i32::MAX].map(i64::from), [i64::MIN, i64::MAX]);
    for (base, logical, numbers) in [
        ("int", "date", int),
        ("int", "date", [-7_304_485, 7_304_485]),
        ("int", "time-millis", int),
        ("long", "time-micros", long),
        ("long", "timestamp-millis", long),
        ("long", "timestamp-micros", long),
        ("long", "local-timestamp-millis", long),
        ("long", "local-timestamp-micros", long),
    ] {
        let encoding = avro(&format!(r#"{{"type":"{base}","logicalType":"{logical}"}}"#));
        for number in numbers {
            let bytes = apache_avro::to_avro_datum(&apache_avro::Schema::Long, number).unwrap();
            assert_eq!(value(&encoding, &bytes), format!(r#"{{"value":{number}}}"#), "{logical}");
        }
    }
}

#[test]
fn avro_of_a_stranger_takes_neither_the_stack_nor_the_memory() {
    let list = avro(r#"{"type":"record","name":"L","fields":[{"name":"next","type":["null","L"]}]}"#);
    assert_eq!(value(&list, &[2; 1_000_000]), "not_avro: it is nested more than 100 levels deep");
    let nulls = avro(r#"{"type":"array","items":"null"}"#);
    let billions = b"\xfe\xff\xff\xff\xff\x0f\x00";
    assert_eq!(value(&nulls, billions), "not_avro: it is more than 67108864 bytes of JSON");
    let text = avro(r#""string""#);
    assert!(value(&text, b"\xfe\xff\xff\xff\xff\x0f").starts_with("not_avro: it ends "));
}

#[test]
fn a_frame_needs_its_schema() {
    let text = r#"{"type":"record","name":"R","fields":[{"name":"s","type":"S"}]}"#;
    let references = [("S".to_owned(), r#"{"type":"enum","name":"S","symbols":["ON"]}"#.to_owned())];
    let known = schemas(258, Schema::parse("AVRO", text, &references));
    assert_eq!(framed(&known, b"\0\0\0\x01\x02\0"), r#"{"s":"ON"}"#);
    let reason = "not_avro: an enum has no name 1, by schema 258 of the registry";
    assert_eq!(framed(&known, b"\0\0\0\x01\x02\x02"), reason);
    assert_eq!(framed(&known, b"\0\0\0\x01\x03\0"), "needs schema 259");
    assert_eq!(framed(&schemas(1, Err("gone".to_owned())), b"\0\0\0\0\x01"), "schema: gone");
    assert_eq!(framed(&schemas(1, Ok(Schema::Json)), b"\0\0\0\0\x01 {\"a\":1}"), r#" {"a":1}"#);
    let short = "schema: it does not begin with a byte 0 and four bytes of a schema's id";
    assert_eq!(framed(&known, b"\0\0\0\x01"), short);
    assert_eq!(value(&of(Format::Registry), b"{}"), short);
    let none = "schema: a schema registry's frame, and SCHEMA_REGISTRY_URL is not set";
    assert_eq!(value(&of(Format::Auto), b"\0\0\0\0\x01"), none);
}

#[test]
fn protobuf_is_read_by_its_schema_and_the_indexes_of_its_message() {
    let text = r#"syntax = "proto3"; import "other.proto"; import "google/protobuf/timestamp.proto";
        message A { int64 id = 1; string s = 2; Other o = 3; optional int32 x = 4; google.protobuf.Timestamp t = 5; }
        message B { message C { bool ok = 1; } }"#;
    let references =
        [("other.proto".to_owned(), r#"syntax = "proto3"; message Other { bytes b = 1; }"#.to_owned())];
    let known = schemas(1, Schema::parse("PROTOBUF", text, &references));
    let framed = |payload: &[u8]| framed(&known, &[b"\0\0\0\0\x01", payload].concat());
    assert_eq!(
        framed(b"\0\x08\x07\x1a\x04\x0a\x02hi\x2a\x02\x08\x01"),
        r#"{"id":7,"s":"","o":{"b":"aGk="},"t":"1970-01-01T00:00:01Z"}"#
    );
    assert_eq!(framed(b"\x02\x00\x08\x07"), r#"{"id":7,"s":""}"#);
    assert_eq!(framed(b"\x04\x02\x00\x08\x01"), r#"{"ok":true}"#);
    assert_eq!(
        framed(b"\x02\x08"),
        "not_protobuf: the schema does not have the message that the indexes lead to, by schema 1 of the registry"
    );
    assert!(framed(b"\0\x08").starts_with("not_protobuf: "));
}

proptest! {
    #[test]
    fn any_bytes_are_json_or_have_a_reason(id in 1_u32..4, bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        let avro = r#"{"type":"record","name":"R","fields":[{"name":"a","type":{"type":"array","items":["null","R","bytes"]}},
            {"name":"u","type":{"type":"string","logicalType":"uuid"}}]}"#;
        let protobuf = r#"syntax = "proto3"; import "google/protobuf/struct.proto";
            message A { A a = 1; map<int64, double> m = 2; google.protobuf.Value v = 3; }"#;
        let kind = ["AVRO", "PROTOBUF", "JSON"][id as usize - 1];
        let known = schemas(id, Schema::parse(kind, if id == 1 { avro } else { protobuf }, &[]));
        let framed = [&[0, 0, 0, 0, id as u8], bytes.as_slice()].concat();
        for format in [Format::Auto, Format::Msgpack, Format::Text, Format::Integer] {
            let input = if format == Format::Auto { &framed } else { &bytes };
            if let Ok(json) = of(format).value_to_json(input, Some(&known))
                && kind != "JSON"
            {
                serde_json::from_slice::<serde::de::IgnoredAny>(&json).unwrap();
            }
        }
    }
}
