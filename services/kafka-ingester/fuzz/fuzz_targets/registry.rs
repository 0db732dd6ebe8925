//! Any bytes as the frame of a schema registry, in the value and in the key.
#![no_main]

use kafka_ingester_fuzz::{Encoding, Format, Policy, Record, SCHEMAS, decode, policy};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&[u8], &[u8])| {
    let (key, value) = input;
    let framed = Encoding { format: Format::Registry, schema: None };
    let policy =
        Policy { key: framed, key_template: "{key.battery_id}".parse().unwrap(), ..policy(Format::Registry) };
    let record = Record { key: Some(key), value: Some(value), ..Record::default() };
    let decoded = decode(&policy, Some(&SCHEMAS), &record);
    let id = |bytes: &[u8]| match *bytes {
        [0, a, b, c, d, ..] => Some(u32::from_be_bytes([a, b, c, d])),
        _ => None,
    };
    match decoded {
        // A schema is asked for only if it is not known. That there is no 4 is forgotten after a while.
        Err(wanted) => {
            assert!(!(1..=3).contains(&wanted.0));
            assert!([id(value), id(key)].contains(&Some(wanted.0)));
        }
        Ok(Ok(_)) => assert!(id(value).is_some() && id(key).is_some()),
        Ok(Err(reason)) => assert!(!value.is_empty() || reason.starts_with("empty") || reason.ends_with("in the Kafka key")),
    }
});
