//! A dead letter as JSON, for the command and over HTTP.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::store::DeadLetter;

/// The dead letter as a JSON object. A key or value that is not UTF-8 is in base64, as `key_base64` or `value_base64`.
pub(crate) fn to_json(dead_letter: &DeadLetter) -> Map<String, Value> {
    let mut object = Map::new();
    let number = |text: &str| text.parse::<i64>().map_or_else(|_| json!(text), |number| json!(number));
    object.insert("id".to_owned(), json!(dead_letter.id));
    object.insert("topic".to_owned(), json!(dead_letter.topic));
    object.insert("partition".to_owned(), number(&dead_letter.partition));
    object.insert("offset".to_owned(), number(&dead_letter.offset));
    object.insert("reason".to_owned(), json!(dead_letter.reason));
    for (name, bytes) in [("key", &dead_letter.key), ("value", &dead_letter.value)] {
        match std::str::from_utf8(bytes) {
            Ok(text) => object.insert(name.to_owned(), json!(text)),
            Err(_) => object.insert(format!("{name}_base64"), json!(STANDARD.encode(bytes))),
        };
    }
    object
}
