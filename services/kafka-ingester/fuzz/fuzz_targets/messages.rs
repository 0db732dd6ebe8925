//! Any bytes as a message, in every format and under every policy.
#![no_main]

use std::sync::Arc;
use std::time::Duration;

use kafka_ingester_fuzz::{
    AVRO_SCHEMA, Encoding, Envelope, Format, Nested, NonFinite, Notify, Nulls, Policy, Record, SCHEMAS, StoreAs, decode,
    policy,
};
use libfuzzer_sys::fuzz_target;

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

fn encoding(choice: u8) -> Encoding {
    let format = FORMATS[usize::from(choice % 7)];
    Encoding { format, schema: (format == Format::Avro).then(|| Arc::clone(&AVRO_SCHEMA)) }
}

fuzz_target!(|input: (u8, u8, u8, &[u8], &[u8])| {
    let (choice, shape, formats, key, value) = input;
    let sorted = choice & 32 != 0;
    let numbers = shape & 32 != 0;
    let policy = Policy {
        key_template: TEMPLATES[usize::from(shape % 4)].parse().unwrap(),
        value: encoding(formats),
        key: encoding(formats / 7),
        envelope: if shape & 64 == 0 { Envelope::None } else { Envelope::Debezium },
        nested: [Nested::Json, Nested::Flatten, Nested::Reject][usize::from(choice % 3)],
        nulls: [Nulls::Store, Nulls::Delete, Nulls::Skip][usize::from(choice / 3 % 3)],
        non_finite: if shape & 16 == 0 { NonFinite::Reject } else { NonFinite::Text },
        store_as: match (sorted, choice & 64) {
            (true, _) => StoreAs::SortedSet,
            (false, 0) => StoreAs::Hash,
            (false, _) => StoreAs::Json,
        },
        member: sorted.then(|| ("{m}".parse().unwrap(), "s".parse().unwrap())),
        notify: if choice & 128 == 0 { Notify::Text } else { Notify::Fields },
        ttl_from: numbers.then(|| "header.h".parse().unwrap()),
        newer_by: numbers.then(|| "v".parse().unwrap()),
        versions_kept: Duration::ZERO,
        max_bytes: 4096,
        ..policy(Format::Auto)
    };
    // A frame is found sooner if it is made here.
    let framed = [&[0, 0, 0, 0, 1 + choice % 5], value].concat();
    let value = if policy.value.format == Format::Registry { &framed } else { value };
    let value = (shape & 128 == 0).then_some(value);
    let record = Record { key: Some(key), value, headers: vec![("h", key)], ..Record::default() };
    let _ = decode(&policy, Some(&SCHEMAS), &record);
});
