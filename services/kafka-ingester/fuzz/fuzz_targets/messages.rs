//! Decodes any bytes as a message, in every format and under every policy. It must not panic, and must return a reason of
//! the contract, or values that are JSON where they should be.
//!
//! `cargo +nightly fuzz run messages -- -max_total_time=60`
#![no_main]
#![allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    reason = "the modules are the service's, and this crate uses a part of them"
)]

// The files themselves, so that librdkafka need not be built.
#[path = "../../src/message"]
mod message {
    pub(crate) mod bad_message;
    pub(crate) mod change;
    mod decode;
    mod envelope;
    mod fields;
    pub(crate) mod format;
    mod id;
    mod json;
    mod key_template;
    mod non_finite;
    mod numbers;
    mod path;
    mod placeholder;
    pub(crate) mod policy;
    pub(crate) mod record;
    mod rows;
    pub(crate) mod unpacked;
}

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use message::change::Action;
use message::format::{AvroSchema, Encoding, Format, Schema, SchemaCache, SchemaId};
use message::policy::{Envelope, Nested, NonFinite, Notify, Nulls, Policy, StoreAs, Tombstones, TtlUnit};
use message::record::Record;
use message::unpacked::unpack;

const REASONS: [&str; 17] = [
    "not_avro",
    "not_protobuf",
    "schema",
    "not_msgpack",
    "not_integer",
    "no_field",
    "bad_field",
    "envelope",
    "empty",
    "not_utf8",
    "not_json",
    "not_object",
    "no_key",
    "bad_key",
    "redis",
    "nested",
    "too_large",
];

const TEMPLATES: [&str; 4] =
    ["battery:{battery_id}:data", "{a.b[0]}:{c\\.d}", "{key.id}{key}", "{header.h}{battery_id}"];

const FORMATS: [Format; 7] = [
    Format::Auto,
    Format::Json,
    Format::Registry,
    Format::Avro,
    Format::Msgpack,
    Format::Text,
    Format::Integer,
];

/// A schema that holds itself, with a type of every kind.
const AVRO: &str = r#"{"type":"record","name":"R","fields":[
    {"name":"battery_id","type":["long","string","null"]},
    {"name":"a","type":{"type":"array","items":["null","R","double","boolean"]}},
    {"name":"m","type":{"type":"map","values":["bytes","float",{"type":"fixed","name":"F","size":2}]}},
    {"name":"e","type":{"type":"enum","name":"E","symbols":["A","B"]}},
    {"name":"d","type":["null",{"type":"bytes","logicalType":"decimal","precision":9,"scale":2},
        {"type":"string","logicalType":"uuid"}]},
    {"name":"t","type":["null",{"type":"int","logicalType":"date"},{"type":"int","logicalType":"time-millis"}]},
    {"name":"u","type":["null",{"type":"long","logicalType":"timestamp-micros"},
        {"type":"fixed","name":"D","size":12,"logicalType":"duration"}]}]}"#;

const PROTOBUF: &str = r#"syntax = "proto3";
    import "google/protobuf/struct.proto"; import "google/protobuf/timestamp.proto";
    message A {
        int64 battery_id = 1; A a = 2; map<string, double> m = 3; repeated bytes b = 4; enum E { X = 0; Y = 1; } E e = 5;
        google.protobuf.Value v = 6; google.protobuf.Timestamp t = 7; oneof o { sint32 s = 8; fixed64 f = 9; }
    }"#;

static SCHEMA: LazyLock<Arc<AvroSchema>> = LazyLock::new(|| Arc::new(AvroSchema::parse(AVRO, &[]).unwrap()));

/// Schema 1 is Avro, 2 Protobuf and 3 JSON; the registry has no 4.
static SCHEMAS: LazyLock<SchemaCache> = LazyLock::new(|| {
    let schemas = SchemaCache::default();
    for (id, kind, text) in [(1, "AVRO", AVRO), (2, "PROTOBUF", PROTOBUF), (3, "JSON", "{}")] {
        schemas.put(SchemaId(id), Ok(Schema::parse(kind, text, &[]).unwrap()));
    }
    schemas.put(SchemaId(4), Err("not found".to_owned()));
    schemas
});

fn encoding(choice: u8) -> Encoding {
    let format = FORMATS[usize::from(choice % 7)];
    Encoding { format, schema: (format == Format::Avro).then(|| Arc::clone(&SCHEMA)) }
}

fuzz_target!(|input: (u8, u8, u8, &[u8], &[u8])| {
    let (choice, shape, formats, key, value) = input;
    let sorted = choice & 32 != 0;
    let numbers = shape & 32 != 0;
    let policy = Policy {
        key_template: TEMPLATES[usize::from(shape % 4)].parse().unwrap(),
        value: encoding(formats),
        key: encoding(formats / 7),
        id_set: None,
        envelope: if shape & 64 == 0 { Envelope::None } else { Envelope::Debezium },
        nested: [Nested::Json, Nested::Flatten, Nested::Reject][usize::from(choice % 3)],
        nulls: [Nulls::Store, Nulls::Delete, Nulls::Skip][usize::from(choice / 3 % 3)],
        non_finite: if shape & 16 == 0 { NonFinite::Reject } else { NonFinite::Text },
        tombstones: Tombstones::Reject,
        store_as: if sorted {
            StoreAs::SortedSet
        } else if choice & 64 == 0 {
            StoreAs::Hash
        } else {
            StoreAs::Json
        },
        stream_max: 0,
        member: sorted.then(|| ("{m}".parse().unwrap(), "s".parse().unwrap())),
        notify: if choice & 128 == 0 { Notify::Text } else { Notify::Fields },
        notify_text: "updates".to_owned(),
        key_ttl: None,
        ttl_from: numbers.then(|| "header.h".parse().unwrap()),
        ttl_unit: TtlUnit::Seconds,
        newer_by: numbers.then(|| "v".parse().unwrap()),
        versions_kept: Duration::ZERO,
        max_bytes: 4096,
    };
    // A frame is found sooner if it is made here.
    let framed = [&[0, 0, 0, 0, 1 + choice % 5], value].concat();
    let value = if policy.value.format == Format::Registry { &framed } else { value };
    let value = if shape & 128 == 0 { Some(value) } else { None };
    let record = Record { key: Some(key), value, headers: vec![("h", key)], ..Record::default() };
    let Ok(unpacked) = unpack(&policy, Some(&SCHEMAS), &record) else { return };
    match unpacked.changes(&policy) {
        Err(bad) => assert!(REASONS.iter().any(|reason| bad.to_string().starts_with(reason)), "{bad}"),
        Ok(changes) => changes.into_iter().for_each(|change| {
            let is_json = matches!(change.action, Action::Write { .. }) || policy.notify == Notify::Fields;
            if let Some(notification) = change.notification.filter(|_| is_json) {
                serde_json::from_str::<serde::de::IgnoredAny>(&notification).unwrap();
            }
            let Action::Write { set, .. } = change.action else { return };
            if policy.store_as == StoreAs::Json {
                serde_json::from_str::<serde::de::IgnoredAny>(&set[0].1).unwrap();
            }
        }),
    }
});
