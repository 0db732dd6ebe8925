//! What a message asks for: pure decoding of its bytes by the [`Policy`]. Nothing here is rounded or reordered: a number
//! is the text that stands in the JSON.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::json::{self, Entries, Entry, Kind};
use crate::template::KeyTemplate;

/// How messages become changes. The defaults of the settings are the batteries' contract.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The field that holds the id.
    pub key_field: String,
    /// The Redis key of an id.
    pub key: KeyTemplate,
    /// Objects and arrays within a message.
    pub nested: Nested,
    /// Fields that are null.
    pub nulls: Nulls,
    /// Messages without a value.
    pub tombstones: Tombstones,
    /// What a key holds.
    pub store_as: StoreAs,
    /// What subscribers are told.
    pub notify: Notify,
    /// The largest value that is decoded, in bytes.
    pub max_bytes: usize,
}

/// Objects and arrays within a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Nested {
    /// Stored as compact JSON.
    Json,
    /// An object's fields become fields of their own, `outer.inner`; arrays are stored as compact JSON.
    Flatten,
    /// The message is bad.
    Reject,
}

/// Fields that are null.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Nulls {
    /// Stored as `null`.
    Store,
    /// The field is deleted.
    Delete,
    /// The field keeps its old value.
    Skip,
}

/// Messages without a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Tombstones {
    /// The message is bad.
    Reject,
    /// The key that the Kafka key names is deleted.
    Delete,
}

/// What a key holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum StoreAs {
    /// A hash of the fields; fields that are not in a message keep their values.
    Hash,
    /// A string, the message's fields as compact JSON.
    Json,
    /// A stream, an entry a message.
    Stream,
}

/// What subscribers of a key's channel are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Notify {
    /// The text of NOTIFY_TEXT.
    Text,
    /// The fields of the message, as compact JSON.
    Fields,
    /// Nothing.
    None,
}

/// A good message.
#[derive(Debug, PartialEq, Eq)]
pub struct Change<'a> {
    /// The id, as text.
    pub id: Cow<'a, str>,
    /// What is to be done with its key.
    pub action: Action<'a>,
    /// What subscribers are told where that differs from message to message.
    pub notice: Option<String>,
}

/// What is to be done with a key.
#[derive(Debug, PartialEq, Eq)]
pub enum Action<'a> {
    /// Set and unset fields. A JSON string is one field with an empty name.
    Write {
        /// Field and value, in the message's order.
        set: Vec<Field<'a>>,
        /// Fields to delete.
        unset: Vec<Cow<'a, str>>,
    },
    /// Delete the key.
    Delete,
}

/// A field's name and its value as Redis stores it.
pub type Field<'a> = (Cow<'a, str>, Cow<'a, str>);

/// A message that cannot be applied. Its text is the dead letter's reason.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadMessage {
    /// No value at all.
    #[error("empty: the message has no value")]
    Empty,
    /// Not UTF-8.
    #[error("not_utf8: byte {0} is not UTF-8")]
    NotUtf8(usize),
    /// Not JSON.
    #[error("not_json: {0}")]
    NotJson(String),
    /// JSON, but no object.
    #[error("not_object: the value is not a JSON object")]
    NotObject,
    /// The key field is missing.
    #[error("no_key: the field {0} is missing")]
    NoKey(String),
    /// The key field is neither a string nor a number.
    #[error("bad_key: {0} must be a string or a number")]
    BadKey(String),
    /// A nested value where the policy forbids it, or deeper than it can be flattened.
    #[error("nested: the field {0} cannot be stored")]
    Nested(String),
    /// Larger than the limit.
    #[error("too_large: {0} bytes are more than {1}")]
    TooLarge(usize, usize),
}

/// Decodes one message.
///
/// # Errors
/// When it is bad; the error's text says why.
pub fn decode<'a>(
    policy: &Policy,
    kafka_key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
) -> Result<Change<'a>, BadMessage> {
    let value = match value {
        None if policy.tombstones == Tombstones::Delete => return deletion(policy, kafka_key),
        None | Some([]) => return Err(BadMessage::Empty),
        Some(value) => value,
    };
    if value.len() > policy.max_bytes {
        return Err(BadMessage::TooLarge(value.len(), policy.max_bytes));
    }
    let text = std::str::from_utf8(value).map_err(|error| BadMessage::NotUtf8(error.valid_up_to()))?;
    let Entries(mut entries) = json::entries(text)?;
    let id = take_id(policy, &mut entries)?;
    let mut fields = Fields::resolve(policy, entries)?;
    let notice = (policy.notify == Notify::Fields).then(|| json::object(&fields.set));
    let set = match policy.store_as {
        StoreAs::Json => vec![(Cow::Borrowed(""), Cow::Owned(json::object(&fields.set)))],
        StoreAs::Hash | StoreAs::Stream => fields.texts()?,
    };
    Ok(Change { id, action: Action::Write { set, unset: fields.unset }, notice })
}

fn deletion<'a>(policy: &Policy, kafka_key: Option<&'a [u8]>) -> Result<Change<'a>, BadMessage> {
    let id = kafka_key.filter(|key| !key.is_empty()).ok_or(BadMessage::Empty)?;
    let id = std::str::from_utf8(id).map_err(|_| BadMessage::BadKey("the Kafka key".to_owned()))?;
    let notice = (policy.notify == Notify::Fields).then(|| "null".to_owned());
    Ok(Change { id: Cow::Borrowed(id), action: Action::Delete, notice })
}

/// Takes the key field out. Of a field that is there twice the last counts, as in the original.
fn take_id<'a>(policy: &Policy, entries: &mut Vec<Entry<'a>>) -> Result<Cow<'a, str>, BadMessage> {
    let mut id = None;
    entries.retain(|(name, value)| {
        let is_key = *name == policy.key_field;
        if is_key {
            id = Some(*value);
        }
        !is_key
    });
    let id = id.ok_or_else(|| BadMessage::NoKey(policy.key_field.clone()))?;
    match json::kind(id) {
        Kind::String | Kind::Number => json::text(id),
        Kind::Null | Kind::Boolean | Kind::Object | Kind::Array => {
            Err(BadMessage::BadKey(policy.key_field.clone()))
        }
    }
}

/// The fields of a message after the policies for nulls and nested values.
#[derive(Default)]
struct Fields<'a> {
    set: Vec<Entry<'a>>,
    unset: Vec<Cow<'a, str>>,
}

impl<'a> Fields<'a> {
    fn resolve(policy: &Policy, entries: Vec<Entry<'a>>) -> Result<Self, BadMessage> {
        let mut fields = Self { set: Vec::with_capacity(entries.len()), unset: Vec::new() };
        for (name, value) in entries {
            fields.add(policy, name, value, MAX_DEPTH)?;
        }
        Ok(fields)
    }

    fn add(
        &mut self,
        policy: &Policy,
        name: Cow<'a, str>,
        value: &'a RawValue,
        depth: u8,
    ) -> Result<(), BadMessage> {
        match json::kind(value) {
            Kind::Null if policy.nulls == Nulls::Skip => {}
            Kind::Null if policy.nulls == Nulls::Delete => self.unset.push(name),
            Kind::Object | Kind::Array if policy.nested == Nested::Reject => {
                return Err(BadMessage::Nested(name.into_owned()));
            }
            Kind::Object if policy.nested == Nested::Flatten => {
                let Some(depth) = depth.checked_sub(1) else {
                    return Err(BadMessage::Nested(name.into_owned()));
                };
                let Entries(inner) = json::entries(value.get())?;
                for (inner_name, value) in inner {
                    self.add(policy, Cow::Owned(format!("{name}.{inner_name}")), value, depth)?;
                }
            }
            _ => self.set.push((name, value)),
        }
        Ok(())
    }

    fn texts(&mut self) -> Result<Vec<Field<'a>>, BadMessage> {
        self.set.drain(..).map(|(name, value)| Ok((name, json::text(value)?))).collect()
    }
}

/// How deep objects are flattened.
const MAX_DEPTH: u8 = 32;

#[cfg(test)]
mod tests;
