//! Change events of many keys, and a model of what Redis must hold after each.

use std::collections::HashMap;

/// The settings under which the events are applied.
pub(crate) const TRAFFIC_VARS: [(&str, &str); 2] = [("ENVELOPE", "debezium"), ("NEWER_BY", "v")];

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
    pub(crate) notifications: usize,
}

/// A message: the battery that it is about, which is its Kafka key too, and its value.
pub(crate) struct Event {
    pub(crate) battery: i64,
    pub(crate) value: Option<String>,
}

impl Model {
    /// Makes event `number` about one of `keys` batteries, and applies it here. Of ten events seven are newer ones, one is an
    /// older one, one is a delete, and one has no value.
    pub(crate) fn next(&mut self, number: i64, keys: i64, seed: &mut u64) -> Event {
        let battery = random(seed, keys as u64) as i64;
        let key = format!("battery:{battery}:data");
        let known = self.versions.get(&battery).copied();
        match random(seed, 10) {
            0 => {
                self.delete(&key);
                Event { battery, value: None }
            }
            1 => {
                let version = known.unwrap_or_default() + 1;
                self.versions.insert(battery, version);
                self.delete(&key);
                let before = format!(r#"{{"battery_id":{battery},"v":{version}}}"#);
                Event { battery, value: Some(format!(r#"{{"op":"d","before":{before},"after":null}}"#)) }
            }
            kind => {
                let is_old = kind == 2 && known.is_some();
                let version =
                    if is_old { known.unwrap_or_default() - 1 } else { known.unwrap_or_default() + 1 };
                let field = format!("f{}", number % 5);
                let value = format!(
                    r#"{{"op":"u","after":{{"battery_id":{battery},"v":{version},"{field}":{number}.50}},"pad":"{}"}}"#,
                    "x".repeat(60)
                );
                if !is_old {
                    self.versions.insert(battery, version);
                    let hash = self.hashes.entry(key).or_default();
                    hash.insert("v".to_owned(), version.to_string());
                    hash.insert(field, format!("{number}.50"));
                    self.notifications += 1;
                }
                Event { battery, value: Some(value) }
            }
        }
    }

    fn delete(&mut self, key: &str) {
        self.hashes.remove(key);
        self.notifications += 1;
    }
}
