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
    /// JSON or another text.
    key: Result<Option<Cow<'a, [u8]>>, BadMessage>,
    value: Result<Option<Cow<'a, [u8]>>, BadMessage>,
}

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
    let value = match record.value {
        // The decoder says what is wrong with these.
        Some(value) if value.is_empty() || value.len() > policy.max_bytes => Ok(Some(Cow::Borrowed(value))),
        Some(value) => known(policy.value.value_to_json(value, schemas))?.map(Some),
        None => Ok(None),
    };
    let key = match record.key {
        Some(key) if !key.is_empty() && policy.needs_key() => {
            let json = known(policy.key.key_to_json(key, schemas))?;
            json.map(Some).map_err(|bad| BadMessage::InKey(Box::new(bad)))
        }
        key => Ok(key.map(Cow::Borrowed)),
    };
    Ok(Unpacked { record, key, value })
}

/// What it is or why it is bad, unless a schema is missing.
fn known<T>(decoded: Result<T, Undecoded>) -> Result<Result<T, BadMessage>, SchemaId> {
    match decoded {
        Ok(json) => Ok(Ok(json)),
        Err(Undecoded::Bad(bad)) => Ok(Err(bad)),
        Err(Undecoded::NeedsSchema(id)) => Err(id),
    }
}

impl Unpacked<'_> {
    /// What the message asks for. A key that is bad matters only if it is needed.
    ///
    /// # Errors
    /// If the message cannot be applied. The error's text says why.
    pub fn changes(&self, policy: &Policy) -> Result<Changes<'_>, BadMessage> {
        let value = self.value.as_ref().map_err(Clone::clone)?.as_deref();
        let key = self.key.as_ref().ok().and_then(Option::as_deref);
        let record = Record { key, value, ..self.record.clone() };
        decode_rows(policy, &record).map_err(|bad| match &self.key {
            Ok(_) => policy.value.say_what_was_tried(self.record.value, bad),
            Err(bad_key) => bad_key.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::MappingConfig;
    use crate::message::Tombstones;

    fn id(key_template: &str, key: &[u8], value: Option<&[u8]>) -> Result<String, String> {
        let policy = MappingConfig::default().policy().unwrap();
        let key_template = key_template.parse().unwrap();
        let policy = Policy { tombstones: Tombstones::Delete, key_template, ..policy };
        let record = Record { key: Some(key), value, ..Record::default() };
        let unpacked = unpack(&policy, None, &record).unwrap();
        let id = unpacked.changes(&policy).map(|changes| changes[0].id.to_string());
        id.map_err(|bad| bad.to_string())
    }

    /// One of eight UUIDs begins as MessagePack does, and one of 256 as a frame.
    #[test]
    fn a_kafka_key_of_any_bytes_matters_only_where_it_is_needed() {
        let value = Some(&br#"{"battery_id":7}"#[..]);
        for (key, reason) in [(&b"\x81\xff"[..], "not_msgpack: "), (b"\0\x01\x02\x03\x04\xff", "schema: ")] {
            assert_eq!(id("battery:{battery_id}", key, value).unwrap(), "7");
            for needed in [id("battery:{battery_id}", key, None), id("battery:{key}", key, value)] {
                let bad = needed.unwrap_err();
                assert!(bad.starts_with(reason) && bad.ends_with(", in the Kafka key"), "{bad}");
            }
        }
    }
}
