//! Any bytes as a message of Avro by a schema of its own, which may be any text, or by one with a type of every kind.
#![no_main]

use kafka_ingester_fuzz::{Format, SCHEMAS, decode_made_json, one_schema, policy, record};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (bool, &str, &[u8])| {
    let (has_schema, text, payload) = input;
    let own = if has_schema { one_schema("AVRO", text) } else { None };
    let (schemas, id) = own.as_ref().map_or((&*SCHEMAS, ID), |own| (own, 1));
    let framed = [&[0, 0, 0, 0, id], payload].concat();
    decode_made_json(&policy(Format::Registry), Some(schemas), &record(&framed)).unwrap().ok();
});

const ID: u8 = 1;
