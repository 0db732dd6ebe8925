//! Any texts in a change event of Debezium. Only what says so deletes a row.
#![no_main]

use kafka_ingester_fuzz::{Envelope, Format, Policy, Record, decode, policy};
use libfuzzer_sys::fuzz_target;
use serde_json::value::RawValue;

fuzz_target!(|input: (u8, bool, &str, &str, &[u8])| {
    let (kind, has_schema, before, after, key) = input;
    let op = ["c", "u", "r", "d", "t"][usize::from(kind % 5)];
    let mut event = format!(r#"{{"before":{before},"after":{after},"op":"{op}"}}"#);
    if has_schema {
        event = format!(r#"{{"schema":{{}},"payload":{event}}}"#);
    }
    let policy = Policy { envelope: Envelope::Debezium, ..policy(Format::Json) };
    let record = Record { key: Some(key), value: Some(event.as_bytes()), ..Record::default() };
    let decoded = decode(&policy, None, &record).unwrap();
    // Texts that are not JSON may change what the event says.
    if [before, after].iter().any(|text| serde_json::from_str::<&RawValue>(text).is_err()) {
        return;
    }
    match decoded {
        Ok(rows) => {
            assert_ne!(op, "t");
            assert!(rows.len() == 1 && rows[0].is_delete == (op == "d"), "{event}: {rows:?}");
        }
        Err(reason) => {
            let is_expected = reason.starts_with("envelope") || reason.ends_with("in the Kafka key");
            assert!(op != "t" || is_expected, "{event}: {reason}");
        }
    }
});
