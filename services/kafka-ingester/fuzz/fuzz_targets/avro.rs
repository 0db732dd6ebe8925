//! Any bytes as a message of Avro by a schema of its own, which may be any text, or by one with a type of every kind.
#![no_main]

use kafka_ingester_fuzz::decode_by_schema;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (bool, &str, &[u8])| decode_by_schema("AVRO", 1, input));
