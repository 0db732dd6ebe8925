//! Any bytes as JSON. What serde_json reads as an object with an id must be one change with the same texts.
#![no_main]

use kafka_ingester_fuzz::{Format, NonFinite, Policy, decode, policy, record};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|value: &[u8]| {
    let decoded = decode(&policy(Format::Json), None, &record(value)).unwrap();
    let lenient = Policy { non_finite: NonFinite::Text, ..policy(Format::Json) };
    let with_nan = decode(&lenient, None, &record(value)).unwrap();
    assert!(decoded.is_err() || with_nan.is_ok(), "{decoded:?}, {with_nan:?}");
    let Ok(Value::Object(fields)) = serde_json::from_slice(value) else { return };
    let id = match fields.get("battery_id") {
        Some(Value::String(text)) => Some(text),
        Some(Value::Number(_)) => None,
        _ => return,
    };
    let rows = decoded.unwrap();
    let [row] = rows.as_slice() else { panic!("{rows:?}") };
    assert!(id.is_none_or(|id| *id == row.id), "{row:?}");
    for (name, value) in fields.iter().filter(|(name, _)| *name != "battery_id") {
        let stored = row.set.iter().rfind(|(stored, _)| stored == name).map(|(_, text)| text.as_str());
        assert!(value.as_str().map_or(stored.is_some(), |text| stored == Some(text)), "{name}: {row:?}");
    }
});
