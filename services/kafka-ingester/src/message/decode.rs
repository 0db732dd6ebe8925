//! Decodes the bytes of a message by a [`Policy`].

use std::borrow::Cow;

use super::bad_message::BadMessage;
use super::change::{Action, Change};
use super::fields::Fields;
use super::json::{self, JsonType, RawField};
use super::policy::{Notify, Policy, StoreAs, Tombstones};

/// Decodes one message.
///
/// # Errors
/// If the message cannot be applied. The error's text says why.
pub fn decode<'a>(
    policy: &Policy,
    kafka_key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
) -> Result<Change<'a>, BadMessage> {
    let value = match value {
        None if policy.tombstones == Tombstones::Delete => return decode_tombstone(policy, kafka_key),
        None | Some([]) => return Err(BadMessage::Empty),
        Some(value) => value,
    };
    if value.len() > policy.max_bytes {
        return Err(BadMessage::TooLarge(value.len(), policy.max_bytes));
    }
    let text = std::str::from_utf8(value).map_err(|error| BadMessage::NotUtf8(error.valid_up_to()))?;
    let mut raw_fields = json::parse_object(text)?;
    let id = take_id(policy, &mut raw_fields)?;
    let mut fields = Fields::resolve(policy, raw_fields)?;
    let notification = (policy.notify == Notify::Fields).then(|| json::format_object(&fields.set));
    let set = match policy.store_as {
        StoreAs::Json => vec![(Cow::Borrowed(""), Cow::Owned(json::format_object(&fields.set)))],
        StoreAs::Hash | StoreAs::Stream => fields.take_set()?,
    };
    Ok(Change { id, action: Action::Write { set, unset: fields.unset }, notification })
}

fn decode_tombstone<'a>(policy: &Policy, kafka_key: Option<&'a [u8]>) -> Result<Change<'a>, BadMessage> {
    let id = kafka_key.filter(|key| !key.is_empty()).ok_or(BadMessage::Empty)?;
    let id = std::str::from_utf8(id).map_err(|_| BadMessage::BadKey("the Kafka key".to_owned()))?;
    let notification = (policy.notify == Notify::Fields).then(|| "null".to_owned());
    Ok(Change { id: Cow::Borrowed(id), action: Action::Delete, notification })
}

/// Takes the key field out. If it is there twice, the last one counts, as in the original.
fn take_id<'a>(policy: &Policy, raw_fields: &mut Vec<RawField<'a>>) -> Result<Cow<'a, str>, BadMessage> {
    let mut id = None;
    raw_fields.retain(|(name, value)| {
        let is_key = *name == policy.key_field;
        if is_key {
            id = Some(*value);
        }
        !is_key
    });
    let id = id.ok_or_else(|| BadMessage::NoKey(policy.key_field.clone()))?;
    match json::json_type(id) {
        JsonType::String | JsonType::Number => json::redis_text(id),
        JsonType::Null | JsonType::Boolean | JsonType::Object | JsonType::Array => {
            Err(BadMessage::BadKey(policy.key_field.clone()))
        }
    }
}

#[cfg(test)]
mod tests;
