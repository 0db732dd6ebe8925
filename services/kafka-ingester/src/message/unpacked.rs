//! A message's key and value as JSON, whatever their formats are.

use std::borrow::Cow;

use super::bad_message::BadMessage;
use super::policy::Policy;
use super::record::Record;
use super::rows::{Changes, decode_rows};

/// A message whose key and value are JSON; the key may be another text, too.
pub struct Unpacked<'a> {
    record: Record<'a>,
    key: Option<Cow<'a, [u8]>>,
    value: Option<Cow<'a, [u8]>>,
}

/// Takes a message's key and value out of their formats. The key stays as it is if the policy has no use for it.
///
/// # Errors
/// If the message cannot be applied. The error's text says why.
pub fn unpack<'a>(policy: &Policy, record: &Record<'a>) -> Result<Unpacked<'a>, BadMessage> {
    let value = match record.value {
        // The decoder says what is wrong with these.
        Some(value) if value.is_empty() || value.len() > policy.max_bytes => Some(Cow::Borrowed(value)),
        Some(value) => Some(policy.value.value_to_json(value)?),
        None => None,
    };
    let key = match record.key {
        Some(key) if !key.is_empty() && policy.needs_key() => Some(policy.key.key_to_json(key)?),
        key => key.map(Cow::Borrowed),
    };
    Ok(Unpacked { record: record.clone(), key, value })
}

impl Unpacked<'_> {
    /// What the message asks for.
    ///
    /// # Errors
    /// If the message cannot be applied. The error's text says why.
    pub fn changes(&self, policy: &Policy) -> Result<Changes<'_>, BadMessage> {
        let record = Record { key: self.key.as_deref(), value: self.value.as_deref(), ..self.record.clone() };
        decode_rows(policy, &record).map_err(|bad| policy.value.say_what_was_tried(self.record.value, bad))
    }
}
