//! Decoding, and what must be true of each result.

use serde::de::IgnoredAny;

use crate::message::{
    Action, Change, Format, Notify, Policy, Record, SchemaCache, SchemaId, StoreAs, unpack,
};
use crate::schemas::{SCHEMAS, one_schema};
use crate::{policy, record};

/// What a target looks at of a change.
#[derive(Debug)]
pub struct Seen {
    pub id: String,
    pub is_delete: bool,
    pub set: Vec<(String, String)>,
}

/// Decodes a message: one change for each row, or the reason why it is bad. The reason must be one of the README's, and what
/// should be JSON must be JSON.
///
/// # Errors
/// The schema that must be loaded first.
pub fn decode(
    policy: &Policy,
    schemas: Option<&SchemaCache>,
    record: &Record<'_>,
) -> Result<Result<Vec<Seen>, String>, SchemaId> {
    let unpacked = unpack(policy, schemas, record)?;
    Ok(match unpacked.changes(policy) {
        Ok(changes) => Ok(changes.into_iter().map(|change| check(policy, change)).collect()),
        Err(bad) => {
            let reason = bad.to_string();
            let word = reason.split(':').next().unwrap_or_default();
            assert!(README.contains(&format!("`{word}`")), "{reason}");
            Err(reason)
        }
    })
}

/// The same of a format that is made JSON first: it is never bad because that is no JSON.
///
/// # Errors
/// The schema that must be loaded first.
pub fn decode_made_json(
    policy: &Policy,
    schemas: Option<&SchemaCache>,
    record: &Record<'_>,
) -> Result<Result<Vec<Seen>, String>, SchemaId> {
    let result = decode(policy, schemas, record)?;
    if let Err(reason) = &result {
        assert!(!reason.starts_with("not_json") && !reason.starts_with("not_utf8"), "{reason}");
    }
    Ok(result)
}

/// Decodes a message by a schema of its own, which may be any text of this kind, or by the one of [`SCHEMAS`] with this id.
pub fn decode_by_schema(kind: &str, id: u8, (has_schema, text, payload): (bool, &str, &[u8])) {
    let own = if has_schema { one_schema(kind, text) } else { None };
    let (schemas, id) = own.as_ref().map_or((&*SCHEMAS, id), |own| (own, 1));
    let framed = [&[0, 0, 0, 0, id], payload].concat();
    decode_made_json(&policy(Format::Registry), Some(schemas), &record(&framed)).unwrap().ok();
}

fn check(policy: &Policy, change: Change<'_>) -> Seen {
    let is_json = matches!(change.action, Action::Write { .. }) || policy.notify == Notify::Fields;
    if let Some(notification) = change.notification.filter(|_| is_json) {
        assert_json(&notification);
    }
    let (is_delete, set) = match change.action {
        Action::Write { set, .. } => (false, set),
        Action::Remove { .. } | Action::Delete => (true, vec![]),
    };
    if policy.store_as == StoreAs::Json && !is_delete {
        assert_json(&set[0].1);
    }
    let set = set.into_iter().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
    Seen { id: change.id.into_owned(), is_delete, set }
}

fn assert_json(text: &str) {
    serde_json::from_str::<IgnoredAny>(text).unwrap_or_else(|error| panic!("{error}: {text}"));
}

const README: &str = include_str!("../../README.md");
