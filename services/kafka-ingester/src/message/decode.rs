//! Decodes the bytes of a message by a [`Policy`].

use std::borrow::Cow;

use serde_json::value::to_raw_value;

use super::bad_message::BadMessage;
use super::change::{Action, Change};
use super::envelope::{self, RowChange};
use super::fields::Fields;
use super::id::{id, id_of_key};
use super::json::{self, RawField};
use super::key_template::KeyTemplate;
use super::numbers::{expiry, score, version};
use super::policy::{Envelope, Notify, Policy, StoreAs};
use super::record::Record;

/// Decodes one message.
///
/// # Errors
/// If the message cannot be applied. The error's text says why.
pub(super) fn decode<'a>(policy: &Policy, record: &Record<'a>) -> Result<Change<'a>, BadMessage> {
    let value = match record.value {
        None if policy.deletes() => return delete(policy, record, &[]),
        None | Some([]) => return Err(BadMessage::Empty),
        Some(value) => value,
    };
    if value.len() > policy.max_bytes {
        return Err(BadMessage::TooLarge(value.len(), policy.max_bytes));
    }
    let text = std::str::from_utf8(value).map_err(|error| BadMessage::NotUtf8(error.valid_up_to()))?;
    let fields = json::parse_object(text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text))?;
    let row = match policy.envelope {
        Envelope::None => RowChange::Written(fields),
        Envelope::Debezium => envelope::unwrap(fields)?,
    };
    match row {
        RowChange::Written(fields) => write(policy, record, fields),
        RowChange::Deleted(fields) => delete(policy, record, &fields),
    }
}

fn write<'a>(
    policy: &Policy,
    record: &Record<'a>,
    mut raw_fields: Vec<RawField<'a>>,
) -> Result<Change<'a>, BadMessage> {
    let id = id(&policy.key_template, record, &raw_fields)?;
    let (version, expiry) = (version(policy, record, &raw_fields)?, expiry(policy, record, &raw_fields)?);
    if let (Some(part), None) = (&policy.newer_by, version) {
        return Err(BadMessage::NoField(part.describe()));
    }
    let member = match &policy.member {
        Some((member, part)) => {
            Some((score(part, record, &raw_fields)?, key_of(member, record, &raw_fields)?))
        }
        None => None,
    };
    raw_fields.retain(|(name, _)| !policy.key_template.takes_out(name));
    let mut fields = Fields::resolve(policy, raw_fields)?;
    let notification = (policy.notify == Notify::Fields).then(|| notification(&fields.set, record));
    let set = match (policy.store_as, member) {
        (_, Some((score, member))) => vec![(score, Cow::Owned(member))],
        (StoreAs::Json, _) => vec![(Cow::Borrowed(""), Cow::Owned(json::format_object(&fields.set)))],
        (StoreAs::Hash | StoreAs::Stream | StoreAs::SortedSet, _) => fields.take_set()?,
    };
    Ok(Change { id, version, action: Action::Write { set, unset: fields.unset, expiry }, notification })
}

/// A delete of the row of which these fields are known. They may be less than its key.
fn delete<'a>(
    policy: &Policy,
    record: &Record<'a>,
    fields: &[RawField<'a>],
) -> Result<Change<'a>, BadMessage> {
    let find = |template: &KeyTemplate| {
        let of_key = || id_of_key(template, record, policy.field_count() == 1);
        if fields.is_empty() { of_key() } else { id(template, record, fields).or_else(|_| of_key()) }
    };
    let action = match &policy.member {
        Some((member, _)) => Action::Remove { member: member.key(&find(member)?) },
        None => Action::Delete,
    };
    let notification = match policy.notify {
        Notify::Text => Some("deleted".to_owned()),
        Notify::Fields => Some("null".to_owned()),
        Notify::None => None,
    };
    let (id, version) = (find(&policy.key_template)?, version(policy, record, fields)?);
    Ok(Change { id, version, action, notification })
}

/// The fields as JSON. Of a message that is traced it has a field more, by which others continue the trace.
fn notification(fields: &[RawField<'_>], record: &Record<'_>) -> String {
    let traceparent = record.traceparent.as_ref().and_then(|text| to_raw_value(text).ok());
    let added = traceparent.as_deref().map(|value| (Cow::Borrowed(TRACEPARENT), value));
    let added = added.filter(|_| fields.iter().all(|(name, _)| name != TRACEPARENT));
    json::format_object(fields.iter().chain(&added))
}

fn key_of(
    template: &KeyTemplate,
    record: &Record<'_>,
    fields: &[RawField<'_>],
) -> Result<String, BadMessage> {
    id(template, record, fields).map(|id| template.key(&id))
}

const TRACEPARENT: &str = "traceparent";
const BYTE_ORDER_MARK: char = '\u{feff}';

#[cfg(test)]
mod tests;
