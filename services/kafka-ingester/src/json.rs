//! JSON objects as raw pieces of their text, so that every value is stored as it was sent.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::record::BadMessage;

/// A field's name and the text of its value.
pub(crate) type Entry<'a> = (Cow<'a, str>, &'a RawValue);

/// The fields of an object, in its order, repetitions included.
pub(crate) struct Entries<'a>(pub(crate) Vec<Entry<'a>>);

/// What a value is, by its first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    String,
    Number,
    Boolean,
    Null,
    Object,
    Array,
}

/// The fields of the object that `text` must be.
pub(crate) fn entries(text: &str) -> Result<Entries<'_>, BadMessage> {
    serde_json::from_str(text).map_err(|error| {
        let looks_like_object = text.trim_start().starts_with('{');
        if !looks_like_object && serde_json::from_str::<IgnoredAny>(text).is_ok() {
            BadMessage::NotObject
        } else {
            not_json(&error)
        }
    })
}

pub(crate) fn kind(value: &RawValue) -> Kind {
    match value.get().as_bytes().first() {
        Some(b'"') => Kind::String,
        Some(b'{') => Kind::Object,
        Some(b'[') => Kind::Array,
        Some(b'n') => Kind::Null,
        Some(b't' | b'f') => Kind::Boolean,
        _ => Kind::Number,
    }
}

/// The value as Redis stores it: a string's text, a number as it stands, all else as compact JSON.
pub(crate) fn text(value: &RawValue) -> Result<Cow<'_, str>, BadMessage> {
    let raw = value.get();
    match kind(value) {
        Kind::String if !raw.contains('\\') => Ok(Cow::Borrowed(&raw[1..raw.len() - 1])),
        Kind::String => serde_json::from_str(raw).map(Cow::Owned).map_err(|error| not_json(&error)),
        Kind::Object | Kind::Array => Ok(compact(raw)),
        Kind::Number | Kind::Boolean | Kind::Null => Ok(Cow::Borrowed(raw)),
    }
}

/// The fields as a compact JSON object.
pub(crate) fn object(entries: &[Entry<'_>]) -> String {
    let mut json = String::from("{");
    for (place, (name, value)) in entries.iter().enumerate() {
        if place > 0 {
            json.push(',');
        }
        json.push_str(&serde_json::Value::from(name.as_ref()).to_string());
        json.push(':');
        json.push_str(&compact(value.get()));
    }
    json.push('}');
    json
}

/// Without the white space between tokens.
fn compact(raw: &str) -> Cow<'_, str> {
    let is_space = |c: char| matches!(c, ' ' | '\t' | '\n' | '\r');
    if !raw.contains(is_space) {
        return Cow::Borrowed(raw);
    }
    let (mut in_string, mut escaped) = (false, false);
    let kept = raw.chars().filter(|&c| {
        if in_string {
            in_string = escaped || c != '"';
            escaped = c == '\\' && !escaped;
            return true;
        }
        in_string = c == '"';
        !is_space(c)
    });
    Cow::Owned(kept.collect())
}

fn not_json(error: &serde_json::Error) -> BadMessage {
    BadMessage::NotJson(error.to_string())
}

impl<'de: 'a, 'a> Deserialize<'de> for Entries<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Entries<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Entries<'de>, M::Error> {
                let mut entries = Vec::with_capacity(8);
                while let Some(Name(name)) = map.next_key()? {
                    entries.push((name, map.next_value()?));
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// A field's name, borrowed unless it holds an escape.
#[derive(serde::Deserialize)]
#[serde(transparent)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);
