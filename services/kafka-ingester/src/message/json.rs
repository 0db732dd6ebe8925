//! JSON objects as raw pieces of their text, so that every value can be stored as it was sent.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::bad_message::BadMessage;

/// A field's name and the text of its value.
pub(super) type RawField<'a> = (Cow<'a, str>, &'a RawValue);

/// The type of a JSON value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum JsonType {
    String,
    Number,
    Boolean,
    Null,
    Object,
    Array,
}

/// The fields of the object that `text` must be, in its order. A field that occurs twice is there twice.
pub(super) fn parse_object(text: &str) -> Result<Vec<RawField<'_>>, BadMessage> {
    let parsed: Result<RawObject<'_>, _> = serde_json::from_str(text);
    parsed.map(|object| object.0).map_err(|error| {
        let looks_like_object = text.trim_start().starts_with('{');
        if !looks_like_object && serde_json::from_str::<IgnoredAny>(text).is_ok() {
            BadMessage::NotObject
        } else {
            not_json(&error)
        }
    })
}

/// The items of the array that `text` is.
pub(super) fn parse_array(text: &str) -> Result<Vec<&RawValue>, BadMessage> {
    serde_json::from_str(text).map_err(|error| not_json(&error))
}

/// The `payload` of what Kafka Connect's JSON converter writes, if the fields are just `schema` and `payload`.
pub(super) fn connect_payload<'a>(fields: &[RawField<'a>]) -> Option<&'a RawValue> {
    match fields {
        [(schema, _), (name, payload)] if schema == "schema" && name == "payload" => Some(*payload),
        _ => None,
    }
}

/// The type of a value. Its first byte is enough to tell.
pub(super) fn json_type(value: &RawValue) -> JsonType {
    match value.get().as_bytes().first() {
        Some(b'"') => JsonType::String,
        Some(b'{') => JsonType::Object,
        Some(b'[') => JsonType::Array,
        Some(b'n') => JsonType::Null,
        Some(b't' | b'f') => JsonType::Boolean,
        _ => JsonType::Number,
    }
}

/// The value as Redis stores it: a string without quotes and escapes, a number as it is in the JSON, the rest
/// as compact JSON.
pub(super) fn redis_text(value: &RawValue) -> Result<Cow<'_, str>, BadMessage> {
    let raw = value.get();
    match json_type(value) {
        JsonType::String if !raw.contains('\\') => Ok(Cow::Borrowed(&raw[1..raw.len() - 1])),
        JsonType::String => serde_json::from_str(raw).map(Cow::Owned).map_err(|error| not_json(&error)),
        JsonType::Object | JsonType::Array => Ok(compact(raw)),
        JsonType::Number | JsonType::Boolean | JsonType::Null => Ok(Cow::Borrowed(raw)),
    }
}

/// The fields as a compact JSON object.
pub(super) fn format_object<'a>(fields: impl IntoIterator<Item = &'a RawField<'a>>) -> String {
    let mut json = String::from("{");
    for (index, (name, value)) in fields.into_iter().enumerate() {
        if index > 0 {
            json.push(',');
        }
        json.push_str(&serde_json::Value::from(name.as_ref()).to_string());
        json.push(':');
        json.push_str(&compact(value.get()));
    }
    json.push('}');
    json
}

/// JSON without the white space between its tokens.
fn compact(raw: &str) -> Cow<'_, str> {
    let is_space = |c: char| matches!(c, ' ' | '\t' | '\n' | '\r');
    if !raw.contains(is_space) {
        return Cow::Borrowed(raw);
    }
    let (mut in_string, mut escaped) = (false, false);
    let compact = raw.chars().filter(|&c| {
        if in_string {
            in_string = escaped || c != '"';
            escaped = c == '\\' && !escaped;
            return true;
        }
        in_string = c == '"';
        !is_space(c)
    });
    Cow::Owned(compact.collect())
}

fn not_json(error: &serde_json::Error) -> BadMessage {
    BadMessage::NotJson(error.to_string())
}

struct RawObject<'a>(Vec<RawField<'a>>);

impl<'de: 'a, 'a> Deserialize<'de> for RawObject<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectVisitor;
        impl<'de> Visitor<'de> for ObjectVisitor {
            type Value = RawObject<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<RawObject<'de>, M::Error> {
                let mut fields = Vec::with_capacity(8);
                while let Some(FieldName(name)) = map.next_key()? {
                    fields.push((name, map.next_value()?));
                }
                Ok(RawObject(fields))
            }
        }
        deserializer.deserialize_map(ObjectVisitor)
    }
}

/// A field's name, borrowed from the text unless it holds an escape.
#[derive(serde::Deserialize)]
#[serde(transparent)]
struct FieldName<'a>(#[serde(borrow)] Cow<'a, str>);
