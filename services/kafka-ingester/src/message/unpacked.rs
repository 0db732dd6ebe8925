//! A message's key and value as JSON, whatever their formats are.

use std::borrow::Cow;

use super::bad_message::BadMessage;
use super::format::{SchemaCache, SchemaId, Undecoded};
use super::policy::Policy;
use super::record::Record;
use super::rows::{Changes, decode_rows};

/// A message whose key and value were taken out of their formats.
pub struct Unpacked<'a> {
    record: &'a Record<'a>,
    json: Result<KeyAndValue<'a>, BadMessage>,
}

/// As JSON; the key may be another text, too.
type KeyAndValue<'a> = (Option<Cow<'a, [u8]>>, Option<Cow<'a, [u8]>>);

/// Takes a message's key and value out of their formats. The key stays as it is if the policy has no use for it.
/// `schemas` are those of the registry, if there is one.
///
/// # Errors
/// The schema that must be loaded from the registry first.
pub fn unpack<'a>(
    policy: &Policy,
    schemas: Option<&SchemaCache>,
    record: &'a Record<'a>,
) -> Result<Unpacked<'a>, SchemaId> {
    match to_json(policy, schemas, record) {
        Ok(json) => Ok(Unpacked { record, json: Ok(json) }),
        Err(Undecoded::Bad(bad)) => Ok(Unpacked { record, json: Err(bad) }),
        Err(Undecoded::NeedsSchema(id)) => Err(id),
    }
}

fn to_json<'a>(
    policy: &Policy,
    schemas: Option<&SchemaCache>,
    record: &Record<'a>,
) -> Result<KeyAndValue<'a>, Undecoded> {
    let value = match record.value {
        // The decoder says what is wrong with these.
        Some(value) if value.is_empty() || value.len() > policy.max_bytes => Some(Cow::Borrowed(value)),
        Some(value) => Some(policy.value.value_to_json(value, schemas)?),
        None => None,
    };
    let key = match record.key {
        Some(key) if !key.is_empty() && policy.needs_key() => Some(policy.key.key_to_json(key, schemas)?),
        key => key.map(Cow::Borrowed),
    };
    Ok((key, value))
}

impl Unpacked<'_> {
    /// What the message asks for.
    ///
    /// # Errors
    /// If the message cannot be applied. The error's text says why.
    pub fn changes(&self, policy: &Policy) -> Result<Changes<'_>, BadMessage> {
        let (key, value) = self.json.as_ref().map_err(Clone::clone)?;
        let record = Record { key: key.as_deref(), value: value.as_deref(), ..self.record.clone() };
        decode_rows(policy, &record).map_err(|bad| policy.value.say_what_was_tried(self.record.value, bad))
    }
}
