//! Decodes the bytes of a message by a [`Policy`].

use std::borrow::Cow;

use super::bad_message::BadMessage;
use super::change::{Action, Change};
use super::envelope::{self, RowChange};
use super::fields::Fields;
use super::id::{id, id_of_key};
use super::json::{self, RawField};
use super::policy::{Envelope, Notify, Policy, StoreAs};
use super::record::Record;

/// Decodes one message.
///
/// # Errors
/// If the message cannot be applied. The error's text says why.
pub(super) fn decode<'a>(policy: &Policy, record: &Record<'a>) -> Result<Change<'a>, BadMessage> {
    let value = match record.value {
        None if policy.deletes() => return Ok(delete(policy, id_of_key(&policy.key_template, record)?)),
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
        // What is known of a deleted row may be less than its key.
        RowChange::Deleted(fields) => {
            let id = id(&policy.key_template, record, &fields);
            Ok(delete(policy, id.or_else(|_| id_of_key(&policy.key_template, record))?))
        }
    }
}

fn write<'a>(
    policy: &Policy,
    record: &Record<'a>,
    mut raw_fields: Vec<RawField<'a>>,
) -> Result<Change<'a>, BadMessage> {
    let id = id(&policy.key_template, record, &raw_fields)?;
    raw_fields.retain(|(name, _)| !policy.key_template.takes_out(name));
    let mut fields = Fields::resolve(policy, raw_fields)?;
    let notification = (policy.notify == Notify::Fields).then(|| json::format_object(&fields.set));
    let set = match policy.store_as {
        StoreAs::Json => vec![(Cow::Borrowed(""), Cow::Owned(json::format_object(&fields.set)))],
        StoreAs::Hash | StoreAs::Stream => fields.take_set()?,
    };
    Ok(Change { id, action: Action::Write { set, unset: fields.unset }, notification })
}

fn delete<'a>(policy: &Policy, id: Cow<'a, str>) -> Change<'a> {
    let notification = match policy.notify {
        Notify::Text => Some("deleted".to_owned()),
        Notify::Fields => Some("null".to_owned()),
        Notify::None => None,
    };
    Change { id, action: Action::Delete, notification }
}

const BYTE_ORDER_MARK: char = '\u{feff}';

#[cfg(test)]
mod tests;
