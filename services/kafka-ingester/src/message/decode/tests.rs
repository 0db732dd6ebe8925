use std::time::Duration;

use super::*;
use crate::message::{Encoding, Expiry, Nested, NonFinite, Nulls, Tombstones, TtlUnit};
use proptest::prelude::*;

fn policy() -> Policy {
    Policy {
        key_template: "battery:{battery_id}:data".parse().unwrap(),
        id_set: None,
        value: Encoding::default(),
        key: Encoding::default(),
        envelope: Envelope::None,
        nested: Nested::Json,
        nulls: Nulls::Store,
        non_finite: NonFinite::Reject,
        tombstones: Tombstones::Reject,
        store_as: StoreAs::Hash,
        stream_max: 0,
        member: None,
        notify: Notify::Text,
        notify_text: "updates".to_owned(),
        notify_sharded: false,
        key_ttl: None,
        ttl_from: None,
        ttl_unit: TtlUnit::Seconds,
        newer_by: None,
        versions_kept: Duration::ZERO,
        max_bytes: 1 << 20,
    }
}

fn decode<'a>(
    policy: &Policy,
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
) -> Result<Change<'a>, BadMessage> {
    super::decode(policy, &Record { key, value, ..Record::default() })
}

fn decode_fields(policy: &Policy, json: &str) -> (String, Vec<(String, String)>, Vec<String>) {
    let change = decode(policy, None, Some(json.as_bytes())).unwrap();
    let Action::Write { set, unset, .. } = change.action else { panic!("a deletion") };
    let set = set.into_iter().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
    (change.id.into_owned(), set, unset.into_iter().map(Cow::into_owned).collect())
}

fn bad_reason(json: &[u8]) -> String {
    decode(&policy(), None, Some(json)).unwrap_err().to_string()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn the_message_of_the_contract_becomes_its_fields() {
    let (id, set, unset) = decode_fields(&policy(), r#"{"battery_id": 7, "soc": 81, "voltage": 402}"#);
    assert_eq!((id.as_str(), set, unset), ("7", pairs(&[("soc", "81"), ("voltage", "402")]), vec![]));
}

#[test]
fn values_are_stored_as_they_were_sent() {
    let json = r#"{"s":"a\"\u00e9\n","plain":"ü","n":1.50,"big":123456789012345678901234567890,"e":-1E+5,
        "t":true,"f":false,"z":null,"o":{ "a" : [ 1.10, "x y\" }" ] },"l":[ ],"battery_id":"b 1"}"#;
    let (id, set, _) = decode_fields(&policy(), json);
    assert_eq!(id, "b 1");
    let expected = [
        ("s", "a\"é\n"),
        ("plain", "ü"),
        ("n", "1.50"),
        ("big", "123456789012345678901234567890"),
        ("e", "-1E+5"),
        ("t", "true"),
        ("f", "false"),
        ("z", "null"),
        ("o", r#"{"a":[1.10,"x y\" }"]}"#),
        ("l", "[]"),
    ];
    assert_eq!(set, pairs(&expected));
}

#[test]
fn an_id_is_a_string_or_a_number_as_it_is_in_the_json() {
    for (json, id) in
        [("7", "7"), ("7.0", "7.0"), ("-0", "-0"), ("1e3", "1e3"), (r#""a\/b""#, "a/b"), (r#""""#, "")]
    {
        assert_eq!(decode_fields(&policy(), &format!(r#"{{"battery_id":{json}}}"#)).0, id);
    }
    assert_eq!(decode_fields(&policy(), r#"{"battery_id":1,"battery_id":2}"#).0, "2");
}

#[test]
fn every_bad_message_has_its_reason() {
    let reasons: [(&[u8], &str); 15] = [
        (b"", "empty: the message has no value"),
        (b"\xff{}", "not_utf8: byte 0 is not UTF-8"),
        (b"{\"battery_id\":1,\"a\":\"\xe4\"}", "not_utf8: byte 21 is not UTF-8"),
        (b"hello", "not_json: expected value at line 1 column 1"),
        (b"{\"battery_id\":1", "not_json: EOF while parsing an object at line 1 column 15"),
        (b"{\"battery_id\":1} x", "not_json: trailing characters at line 1 column 18"),
        (b"{\"battery_id\":NaN}", "not_json: expected value at line 1 column 15"),
        (b"[1", "not_json: invalid type: sequence, expected an object at line 1 column 0"),
        (
            b"{\"battery_id\":1,\"a\":\"\\ud800\"}",
            "not_json: unexpected end of hex escape at line 1 column 8",
        ),
        (b"[1]", "not_object: the value is not a JSON object"),
        (b" null ", "not_object: the value is not a JSON object"),
        (b"\"{}\"", "not_object: the value is not a JSON object"),
        (b"{\"soc\":81}", "no_key: the field battery_id is missing"),
        (b"{\"battery_id\":null}", "bad_key: the field battery_id must be a string or a number"),
        (b"{\"battery_id\":[7]}", "bad_key: the field battery_id must be a string or a number"),
    ];
    for (value, expected) in reasons {
        assert_eq!(bad_reason(value), expected, "{}", String::from_utf8_lossy(value));
    }
    assert_eq!(decode(&policy(), Some(b"7"), None), Err(BadMessage::Empty));
    let large = format!(r#"{{"battery_id":1,"a":"{}"}}"#, "x".repeat(1 << 20));
    assert_eq!(bad_reason(large.as_bytes()), "too_large: 1048599 bytes are more than 1048576");
}

#[test]
fn nulls_are_stored_skipped_or_delete_their_field() {
    let json = r#"{"battery_id":1,"a":null,"b":2}"#;
    let decode_with = |nulls| {
        let (_, set, unset) = decode_fields(&Policy { nulls, ..policy() }, json);
        (set, unset)
    };
    assert_eq!(decode_with(Nulls::Store), (pairs(&[("a", "null"), ("b", "2")]), vec![]));
    assert_eq!(decode_with(Nulls::Skip), (pairs(&[("b", "2")]), vec![]));
    assert_eq!(decode_with(Nulls::Delete), (pairs(&[("b", "2")]), vec!["a".to_owned()]));
}

#[test]
fn nested_values_are_stored_as_json_flattened_or_rejected() {
    let json = r#"{"battery_id":1,"cell":{"a":{"t":20.0},"b":null},"l":[1, 2],"e":{}}"#;
    let (_, set, _) = decode_fields(&Policy { nested: Nested::Flatten, ..policy() }, json);
    assert_eq!(set, pairs(&[("cell.a.t", "20.0"), ("cell.b", "null"), ("l", "[1,2]")]));
    let rejected = decode(&Policy { nested: Nested::Reject, ..policy() }, None, Some(json.as_bytes()));
    assert_eq!(rejected.unwrap_err().to_string(), "nested: the field cell cannot be stored");
    let deep = format!(r#"{{"battery_id":1,"a":{}1{}}}"#, r#"{"a":"#.repeat(5000), "}".repeat(5000));
    let rejected = decode(&Policy { nested: Nested::Flatten, ..policy() }, None, Some(deep.as_bytes()));
    assert!(matches!(rejected, Err(BadMessage::Nested(_))));
    assert_eq!(decode_fields(&policy(), &deep).1.len(), 1);
}

#[test]
fn a_tombstone_deletes_the_key_that_the_kafka_key_names() {
    let policy = Policy { tombstones: Tombstones::Delete, ..policy() };
    let change = decode(&policy, Some(b"7"), None).unwrap();
    assert_eq!(
        change,
        Change {
            id: Cow::Borrowed("7"),
            version: None,
            action: Action::Delete,
            notification: Some("deleted".to_owned())
        }
    );
    assert_eq!(decode(&policy, None, None), Err(BadMessage::Empty));
    assert_eq!(decode(&policy, Some(b"7"), Some(b"")), Err(BadMessage::Empty));
}

#[test]
fn a_json_string_and_a_notification_hold_the_fields_without_the_key() {
    let json = r#"{"battery_id":1,"a\"":1.50, "o":{ "x": "y z" },"z":null}"#;
    let policy = Policy { store_as: StoreAs::Json, notify: Notify::Fields, nulls: Nulls::Skip, ..policy() };
    let change = decode(&policy, None, Some(json.as_bytes())).unwrap();
    let expected = r#"{"a\"":1.50,"o":{"x":"y z"}}"#;
    assert_eq!(change.notification.as_deref(), Some(expected));
    assert_eq!(decode_fields(&policy, json).1, pairs(&[("", expected)]));
}

#[test]
fn the_notification_of_a_traced_message_names_its_trace_and_the_key_does_not() {
    let policy = Policy { notify: Notify::Fields, ..policy() };
    for (json, published, stored) in [
        (r#"{"battery_id":1,"a":2}"#, r#"{"a":2,"traceparent":"00-5-6-01"}"#, &[("a", "2")][..]),
        (r#"{"battery_id":1}"#, r#"{"traceparent":"00-5-6-01"}"#, &[]),
        (r#"{"battery_id":1,"traceparent":"x"}"#, r#"{"traceparent":"x"}"#, &[("traceparent", "x")]),
    ] {
        let traceparent = Some("00-5-6-01".to_owned());
        let record = Record { value: Some(json.as_bytes()), traceparent, ..Record::default() };
        let change = super::decode(&policy, &record).unwrap();
        assert_eq!(change.notification.as_deref(), Some(published));
        assert_eq!(decode_fields(&policy, json).1, pairs(stored));
    }
}

#[test]
fn a_key_is_made_of_all_that_a_message_has() {
    let value = br#"{"actor":{"login":"ann","ids":[7,8]},"topic":"t","a.b":1.50}"#;
    let record = Record {
        topic: "events",
        partition: 3,
        timestamp_ms: Some(1_700_000_000_000),
        key: Some(br#"{"schema":{},"payload":{"id":"k"}}"#),
        value: Some(value),
        headers: vec![("h", b"old"), ("h", b"new")],
        ..Record::default()
    };
    let id = |template: &str| {
        let policy = Policy { key_template: template.parse().unwrap(), ..policy() };
        super::decode(&policy, &record).map(|change| change.id.into_owned()).map_err(|bad| bad.to_string())
    };
    for (template, expected) in [
        ("user:{actor.login}:{topic}", Ok("ann:events")),
        ("{actor.ids[1]}/{value.topic}", Ok("8/t")),
        (r"{a\.b}", Ok("1.50")),
        ("{key.id}-{header.h}", Ok("k-new")),
        ("{partition}@{timestamp}", Ok("3@1700000000000")),
        ("{actor}", Err("bad_key: the field actor must be a string or a number")),
        ("{key}", Err("bad_key: the Kafka key must be a string or a number")),
        ("{actor.name}", Err("no_key: the field actor.name is missing")),
        ("{key.name}", Err("no_key: the field name of the Kafka key is missing")),
        ("{header.x}", Err("no_key: the header x is missing")),
    ] {
        let expected = expected.map(str::to_owned).map_err(str::to_owned);
        assert_eq!(id(template), expected, "{template}");
    }
    let policy = Policy { key_template: "{actor.login}:{topic}".parse().unwrap(), ..policy() };
    let policy = Policy { key_template: policy.key_template.with_field("topic").unwrap(), ..policy };
    let change = super::decode(&policy, &record).unwrap();
    let Action::Write { set, .. } = change.action else { panic!("a deletion") };
    let names: Vec<&str> = set.iter().map(|(name, _)| &**name).collect();
    assert_eq!((&*change.id, names), ("ann:t", vec!["actor", "a.b"]));
}

#[test]
fn a_kafka_key_of_any_form_deletes_what_its_value_wrote() {
    let policy = Policy { tombstones: Tombstones::Delete, ..policy() };
    for key in [
        "7",
        r#""7""#,
        r#"{"battery_id":7}"#,
        r#"{"battery_id": "7"}"#,
        r#"{"schema":{"type":"int32"},"payload":7}"#,
        r#"{"schema":{"type":"struct"},"payload":{"battery_id":7}}"#,
    ] {
        assert_eq!(decode(&policy, Some(key.as_bytes()), None).unwrap().id, "7", "{key}");
    }
    for (key, reason) in [
        (r#"{"id":7}"#, "no_key: the field battery_id is missing"),
        (r#"{"battery_id":null}"#, "bad_key: the field battery_id must be a string or a number"),
    ] {
        assert_eq!(decode(&policy, Some(key.as_bytes()), None).unwrap_err().to_string(), reason);
    }
}

#[test]
fn a_change_event_writes_or_deletes_its_row() {
    let policy = Policy { envelope: Envelope::Debezium, ..policy() };
    let change = |key: &str, value: &str| {
        let change = decode(&policy, Some(key.as_bytes()), Some(value.as_bytes()));
        change.map(|change| match change.action {
            Action::Delete => format!("delete {}", change.id),
            Action::Write { set, .. } => format!("{} {set:?}", change.id),
            Action::Remove { member } => format!("remove {member}"),
        })
    };
    let (row, written) = (r#"{"battery_id":7,"soc":81}"#, r#"7 [("soc", "81")]"#);
    for op in ["c", "u", "r"] {
        let event = format!(r#"{{"before":null,"after":{row},"source":{{"ts_ms":1}},"op":"{op}"}}"#);
        assert_eq!(change("", &event).unwrap(), written);
        assert_eq!(change("", &format!(r#"{{"schema":{{}},"payload":{event}}}"#)).unwrap(), written);
    }
    assert_eq!(change("", row).unwrap(), written);
    assert_eq!(change("", r#"{"battery_id":7,"soc":81,"__deleted":"false"}"#).unwrap(), written);
    for (key, event) in [
        ("", r#"{"before":{"battery_id":7},"after":null,"op":"d"}"#),
        (r#"{"battery_id":7}"#, r#"{"before":null,"after":null,"op":"d"}"#),
        (r#"{"battery_id":7}"#, r#"{"schema":null,"payload":null}"#),
        ("", r#"{"battery_id":7,"soc":81,"__deleted":"true"}"#),
    ] {
        assert_eq!(change(key, event).unwrap(), "delete 7", "{event}");
    }
    for (event, reason) in [
        (r#"{"before":null,"after":null,"op":"t"}"#, r#"envelope: the op "t" is none of c, u, r and d"#),
        (r#"{"before":null,"after":null,"op":"c"}"#, "envelope: there is no after"),
    ] {
        assert_eq!(change("", event).unwrap_err().to_string(), reason);
    }
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_json() {
    let marked = "\u{feff}{\"battery_id\":1,\"a\":2}";
    assert_eq!(decode_fields(&policy(), marked).1, pairs(&[("a", "2")]));
}

proptest! {
    #[test]
    fn any_bytes_decode_to_a_change_or_a_reason(value in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(&policy(), None, Some(&value));
    }

    #[test]
    fn any_flat_object_decodes_to_what_was_sent(soc in any::<f64>(), name in "\\PC{0,20}", text in ".{0,40}") {
        prop_assume!(soc.is_finite() && name != "battery_id" && name != "soc");
        let json = serde_json::json!({"battery_id": 1, &name: text, "soc": soc}).to_string();
        let (_, set, _) = decode_fields(&policy(), &json);
        prop_assert!(set.contains(&(name, text)));
        prop_assert!(set.iter().any(|(field, value)| field == "soc" && value.parse() == Ok(soc)));
    }
}

#[test]
fn a_version_is_a_whole_number_or_a_time() {
    let record = |timestamp_ms| {
        Record {
        timestamp_ms,
        value: Some(br#"{"battery_id":1,"n":18446744073709551615,"t":"2026-11-28T12:00:00.000001Z","x":1.5,"z":null}"#),
        key: Some(b"1"),
        ..Record::default()
    }
    };
    let version = |part: &str| {
        let policy = Policy { newer_by: Some(part.parse().unwrap()), ..policy() };
        super::decode(&policy, &record(Some(7))).map(|change| change.version).map_err(|bad| bad.to_string())
    };
    assert_eq!(version("n"), Ok(Some(u64::MAX)));
    assert_eq!(version("t"), Ok(Some(1_795_867_200_000_001)));
    assert_eq!(version("timestamp"), Ok(Some(7)));
    let bad = "bad_field: the field x must be a whole number, or a time such as 2026-11-28T12:00:00Z";
    assert_eq!(version("x"), Err(bad.to_owned()));
    for missing in ["y", "z"] {
        assert_eq!(version(missing), Err(format!("no_field: the field {missing} is missing")));
    }
    // A delete may have none.
    let newer_by = Some("n".parse().unwrap());
    let policy = Policy { newer_by, tombstones: Tombstones::Delete, ..policy() };
    let deleted = super::decode(&policy, &Record { value: None, ..record(None) }).unwrap();
    assert_eq!((deleted.version, deleted.action), (None, Action::Delete));
}

#[test]
fn a_message_may_say_when_its_key_expires() {
    let expiry = |ttl_unit, value: &str| {
        let policy = Policy { ttl_from: Some("ttl".parse().unwrap()), ttl_unit, ..policy() };
        let json = format!(r#"{{"battery_id":1,"ttl":{value}}}"#);
        match decode(&policy, None, Some(json.as_bytes())).map(|change| change.action) {
            Ok(Action::Write { expiry, .. }) => Ok(expiry),
            other => Err(other.unwrap_err().to_string()),
        }
    };
    assert_eq!(expiry(TtlUnit::Seconds, "60"), Ok(Some(Expiry::AfterMs(60_000))));
    assert_eq!(expiry(TtlUnit::Ms, r#""60""#), Ok(Some(Expiry::AfterMs(60))));
    assert_eq!(expiry(TtlUnit::Epoch, "1800000000"), Ok(Some(Expiry::AtMs(1_800_000_000_000))));
    assert_eq!(expiry(TtlUnit::EpochMs, "0"), Ok(Some(Expiry::AtMs(0))));
    assert_eq!(expiry(TtlUnit::Ms, "null"), Ok(None));
    for bad in ["-1", "1.5", "[]", r#""soon""#, "9223372036854775807"] {
        let reason = "bad_field: the field ttl must be a whole number, 0 or more".to_owned();
        assert_eq!(expiry(TtlUnit::Seconds, bad), Err(reason), "{bad}");
    }
}

#[test]
fn a_member_of_a_sorted_set_has_a_score() {
    let member = Some(("p/{player}".parse().unwrap(), "points".parse().unwrap()));
    let (store_as, tombstones) = (StoreAs::SortedSet, Tombstones::Delete);
    let policy =
        Policy { key_template: "game:{game}".parse().unwrap(), member, store_as, tombstones, ..policy() };
    let set = |json: &'static str| decode(&policy, None, Some(json.as_bytes())).map(|change| change.action);
    let written = set(r#"{"game":"chess","player":"ann","points":1.50}"#).unwrap();
    let expected = vec![(Cow::Borrowed("1.50"), Cow::Borrowed("p/ann"))];
    assert_eq!(written, Action::Write { set: expected, unset: vec![], expiry: None });
    assert_eq!(
        set(r#"{"game":"chess","player":"ann"}"#),
        Err(BadMessage::NoField("the field points".to_owned()))
    );
    let bad = set(r#"{"game":"chess","player":"ann","points":"many"}"#).unwrap_err();
    assert_eq!(bad.to_string(), "bad_field: the field points must be a number");
    let removed = decode(&policy, Some(br#"{"game":"chess","player":"ann"}"#), None).unwrap();
    assert_eq!((&*removed.id, removed.action), ("chess", Action::Remove { member: "p/ann".to_owned() }));
    // A text cannot be both the game and the player.
    assert!(decode(&policy, Some(b"ann"), None).is_err());
}
