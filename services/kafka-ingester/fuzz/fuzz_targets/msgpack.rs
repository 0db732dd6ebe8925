//! Any bytes as MessagePack, in the value and in the key.
#![no_main]

use kafka_ingester_fuzz::{Encoding, Format, Policy, Record, decode_made_json, policy};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&[u8], &[u8])| {
    let (key, value) = input;
    let key_template = "{battery_id}:{key}".parse().unwrap();
    let msgpack = Encoding { format: Format::Msgpack, schema: None };
    let policy = Policy { key: msgpack, key_template, ..policy(Format::Msgpack) };
    let record = Record { key: Some(key), value: Some(value), ..Record::default() };
    decode_made_json(&policy, None, &record).unwrap().ok();
});
