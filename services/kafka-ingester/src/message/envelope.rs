//! Change events of Debezium: what they say about their row.

use super::bad_message::BadMessage;
use super::json::{self, JsonType, RawField};

/// What a change event says about its row.
pub(super) enum RowChange<'a> {
    /// It has these fields now.
    Written(Vec<RawField<'a>>),
    /// It was deleted; the fields that are known of it.
    Deleted(Vec<RawField<'a>>),
}

/// Takes the row out of an envelope, with or without `schema` around it. A row without an envelope, as Debezium's
/// ExtractNewRecordState leaves it, is the row itself; `__deleted` tells whether it was deleted.
pub(super) fn unwrap<'a>(mut fields: Vec<RawField<'a>>) -> Result<RowChange<'a>, BadMessage> {
    if let Some(payload) = json::connect_payload(&fields) {
        match json::json_type(payload) {
            JsonType::Object => fields = json::parse_object(payload.get())?,
            JsonType::Null => return Ok(RowChange::Deleted(Vec::new())),
            _ => return Err(BadMessage::NotObject),
        }
    }
    let find =
        |name: &str| fields.iter().rev().find(|(field, _)| *field == name).map(|(_, value)| value.get());
    let object = |name: &str| match find(name) {
        Some(text) if text.starts_with('{') => json::parse_object(text).map(Some),
        _ => Ok(None),
    };
    let op = find("op").filter(|_| find("after").is_some() || find("before").is_some());
    match op {
        Some(r#""c""# | r#""u""# | r#""r""#) => {
            let after =
                object("after")?.ok_or_else(|| BadMessage::Envelope("there is no after".to_owned()))?;
            Ok(RowChange::Written(after))
        }
        Some(r#""d""#) => Ok(RowChange::Deleted(object("before")?.unwrap_or_default())),
        Some(op) => Err(BadMessage::Envelope(format!("the op {op} is none of c, u, r and d"))),
        None => {
            let is_deleted = matches!(find("__deleted"), Some(r#""true""# | "true"));
            fields.retain(|(name, _)| name != "__deleted");
            Ok(if is_deleted { RowChange::Deleted(fields) } else { RowChange::Written(fields) })
        }
    }
}
