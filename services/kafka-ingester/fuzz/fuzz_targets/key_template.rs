//! Any text as a template of keys, for any message. A key is the id between the texts around the first and the last
//! placeholder.
#![no_main]

use kafka_ingester_fuzz::{Format, KeyTemplate, Policy, Record, decode, policy};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, &str, &[u8])| {
    let (text, value, key) = input;
    let Ok(template) = text.parse::<KeyTemplate>() else { return };
    let (prefix, suffix) = (text.split('{').next().unwrap(), text.rsplit('}').next().unwrap());
    assert_eq!(template.key("id"), format!("{prefix}id{suffix}"));
    let policy = Policy { key_template: template, ..policy(Format::Json) };
    let record = Record {
        topic: "t",
        timestamp_ms: Some(1),
        key: Some(key),
        value: Some(value.as_bytes()),
        headers: vec![("h", key)],
        ..Record::default()
    };
    decode(&policy, None, &record).unwrap().ok();
});
