//! Change events of many keys, and a model of what Redis must hold after each.

use std::collections::HashMap;

use apache_avro::Schema;
use serde_json::{Value, json};

use super::avro::{encode, framed};
use super::registry::Registry;

/// The settings under which the events are applied.
pub(crate) const TRAFFIC_VARS: [(&str, &str); 3] =
    [("ENVELOPE", "debezium"), ("NEWER_BY", "v"), ("NULLS", "skip")];

/// A pseudo-random number below `below` (Knuth's MMIX generator).
pub(crate) fn random(state: &mut u64, below: u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) % below
}

/// What Redis must hold.
#[derive(Default)]
pub(crate) struct Model {
    pub(crate) hashes: HashMap<String, HashMap<String, String>>,
    versions: HashMap<i64, u64>,
}

/// A message about a battery, whose number is its Kafka key too.
pub(crate) struct Event {
    pub(crate) battery: i64,
    pub(crate) value: Option<Value>,
    /// Whether it leads to a notification.
    pub(crate) is_told: bool,
}

impl Model {
    /// Makes event `number` about one of `keys` batteries, and applies it here. Of ten events seven are newer ones, one is an
    /// older one, one is a delete, and one has no value.
    pub(crate) fn next(&mut self, number: i64, keys: i64, seed: &mut u64) -> Event {
        let battery = random(seed, keys as u64) as i64;
        let key = format!("battery:{battery}:data");
        let known = self.versions.get(&battery).copied();
        let newer = known.unwrap_or_default() + 1;
        match random(seed, 10) {
            0 => {
                self.hashes.remove(&key);
                Event { battery, value: None, is_told: true }
            }
            1 => {
                self.versions.insert(battery, newer);
                self.hashes.remove(&key);
                let before = json!({"battery_id": battery, "v": newer});
                let value = json!({"op": "d", "before": before, "after": null, "pad": ""});
                Event { battery, value: Some(value), is_told: true }
            }
            kind => {
                let is_old = kind == 2 && known.is_some();
                let version = if is_old { newer - 2 } else { newer };
                let (field, text) = (format!("f{}", number % 5), format!("{number}.50"));
                let after = json!({"battery_id": battery, "v": version, &field: text});
                if !is_old {
                    self.versions.insert(battery, version);
                    let hash = self.hashes.entry(key).or_default();
                    hash.insert("v".to_owned(), version.to_string());
                    hash.insert(field, text);
                }
                let value = json!({"op": "u", "before": null, "after": after, "pad": "x".repeat(60)});
                Event { battery, value: Some(value), is_told: !is_old }
            }
        }
    }
}

/// The format of the messages.
pub(crate) enum Wire {
    /// A text as the key, JSON as the value.
    Json,
    /// Avro by a registry's schemas: those of the key and of the value, each with its id.
    Avro(Box<[(u32, Schema); 2]>),
}

impl Wire {
    /// Avro by schemas that this adds to the registry.
    pub(crate) fn avro(registry: &Registry) -> Self {
        let schemas = [("key", KEY), ("value", VALUE)];
        Self::Avro(Box::new(schemas.map(|(subject, text)| {
            (registry.add(&format!("batteries-{subject}"), text), Schema::parse_str(text).unwrap())
        })))
    }

    /// The bytes of the key and the value.
    pub(crate) fn encode(&self, event: &Event) -> (Vec<u8>, Option<Vec<u8>>) {
        match self {
            Self::Json => (
                event.battery.to_string().into_bytes(),
                event.value.as_ref().map(|value| value.to_string().into()),
            ),
            Self::Avro(schemas) => {
                let [key, value] = schemas
                    .each_ref()
                    .map(|(id, schema)| move |value: Value| framed(*id, &encode(schema, value)));
                (key(json!({"battery_id": event.battery})), event.value.clone().map(value))
            }
        }
    }
}

const KEY: &str = r#"{"type":"record","name":"Key","fields":[{"name":"battery_id","type":"long"}]}"#;

const VALUE: &str = r#"{"type":"record","name":"Envelope","fields":[
    {"name":"before","type":["null",{"type":"record","name":"Row","fields":[
        {"name":"battery_id","type":"long"},{"name":"v","type":"long"},
        {"name":"f0","type":["null","string"],"default":null},{"name":"f1","type":["null","string"],"default":null},
        {"name":"f2","type":["null","string"],"default":null},{"name":"f3","type":["null","string"],"default":null},
        {"name":"f4","type":["null","string"],"default":null}]}]},
    {"name":"after","type":["null","Row"]},{"name":"op","type":"string"},{"name":"pad","type":"string"}]}"#;
