//! Values of several rows: a JSON array of objects, or one object after the other (NDJSON).

use serde_json::value::RawValue;
use smallvec::{SmallVec, smallvec};

use super::bad_message::BadMessage;
use super::change::Change;
use super::decode::decode;
use super::json;
use super::non_finite;
use super::policy::{NonFinite, Policy};
use super::record::Record;

/// The changes of a message: one, or one for each row.
pub type Changes<'a> = SmallVec<[Change<'a>; 1]>;

/// Decodes a message whose key and value are JSON. If a row is bad, the whole message is.
///
/// # Errors
/// If the message cannot be applied. The error's text says why.
pub(super) fn decode_rows<'a>(policy: &Policy, record: &Record<'a>) -> Result<Changes<'a>, BadMessage> {
    let bad = match decode_json_rows(policy, record) {
        Err(bad) if policy.non_finite == NonFinite::Text => bad,
        decoded => return decoded,
    };
    let text = record.value.and_then(|value| std::str::from_utf8(value).ok());
    let Some(quoted) = text.and_then(non_finite::quote) else { return Err(bad) };
    let changes = decode_json_rows(policy, &Record { value: Some(quoted.as_bytes()), ..record.clone() })?;
    Ok(changes.into_iter().map(|change| -> Change<'a> { change.into_owned() }).collect())
}

fn decode_json_rows<'a>(policy: &Policy, record: &Record<'a>) -> Result<Changes<'a>, BadMessage> {
    let bad = match decode(policy, record) {
        Ok(change) => return Ok(smallvec![change]),
        Err(bad) => bad,
    };
    let could_be_rows = matches!(bad, BadMessage::NotJson(_) | BadMessage::NotObject);
    let text = record.value.filter(|_| could_be_rows).and_then(|value| std::str::from_utf8(value).ok());
    let text = text.map(|text| text.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']));
    let rows = match text {
        Some(text) if text.starts_with('[') => json::parse_array(text)?,
        Some(text) => split_objects(text)?.ok_or(bad)?,
        None => return Err(bad),
    };
    let row = |(index, row): (usize, &'a RawValue)| {
        let record = Record { value: Some(row.get().as_bytes()), ..record.clone() };
        decode(policy, &record).map_err(|bad| bad.in_row(index + 1))
    };
    rows.into_iter().enumerate().map(row).collect()
}

/// The objects that stand one after the other. `None` unless an object is followed by what looks like a second one.
fn split_objects(text: &str) -> Result<Option<Vec<&RawValue>>, BadMessage> {
    let mut stream = serde_json::Deserializer::from_str(text).into_iter::<&RawValue>();
    let Some(Ok(first)) = stream.next() else { return Ok(None) };
    let has_second = text[stream.byte_offset()..].trim_start().starts_with('{');
    if !first.get().starts_with('{') || !has_second {
        return Ok(None);
    }
    let rest = stream
        .enumerate()
        .map(|(index, row)| row.map_err(|error| BadMessage::NotJson(error.to_string()).in_row(index + 2)));
    let rows: Result<Vec<_>, _> = std::iter::once(Ok(first)).chain(rest).collect();
    rows.map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::MappingConfig;

    fn ids(value: &str) -> Result<Vec<String>, String> {
        ids_with(NonFinite::Reject, value)
    }

    fn ids_with(non_finite: NonFinite, value: &str) -> Result<Vec<String>, String> {
        let policy = Policy { non_finite, ..MappingConfig::default().policy().unwrap() };
        let record = Record { value: Some(value.as_bytes()), ..Record::default() };
        let changes = decode_rows(&policy, &record).map_err(|bad| bad.to_string())?;
        Ok(changes.into_iter().map(|change| change.id.into_owned()).collect())
    }

    #[test]
    fn a_message_has_one_row_or_several() {
        let (one, two) = (r#"{"battery_id":1}"#, r#"{"battery_id":2}"#);
        for several in
            [format!("[{one},{two}]"), format!("\u{feff} [ {one} , {two} ]"), format!("{one}\n{two}\n")]
        {
            assert_eq!(ids(&several).unwrap(), ["1", "2"], "{several}");
        }
        assert_eq!((ids(one).unwrap(), ids("[]").unwrap()), (vec!["1".to_owned()], vec![]));
    }

    #[test]
    fn what_is_no_number_may_be_a_text() {
        let value = r#"[{"battery_id":1,"a":NaN},{"battery_id":-Infinity}]"#;
        assert_eq!(ids(value).unwrap_err(), "not_json: expected value at line 1 column 22");
        let text = NonFinite::Text;
        assert_eq!(ids_with(text, value).unwrap(), ["1", "-Infinity"]);
        assert_eq!(ids_with(text, "NaN").unwrap_err(), "not_object: the value is not a JSON object");
        assert_eq!(
            ids_with(text, r#"{"a":NaN,}"#).unwrap_err(),
            "not_json: trailing comma at line 1 column 12"
        );
        assert_eq!(ids_with(text, "bad").unwrap_err(), "not_json: expected value at line 1 column 1");
    }

    #[test]
    fn a_bad_row_makes_the_whole_message_bad() {
        let one = r#"{"battery_id":1}"#;
        for (value, reason) in [
            (format!("[{one},7]"), "not_object: the value is not a JSON object, in row 2"),
            (format!("[{one}"), "not_json: EOF while parsing a list at line 1 column 17"),
            (format!("{one}\n{{}}"), "no_key: the field battery_id is missing, in row 2"),
            (format!("{one}\n{{x"), "not_json: key must be a string at line 2 column 2, in row 2"),
            (format!("{one} x"), "not_json: trailing characters at line 1 column 18"),
            ("7".to_owned(), "not_object: the value is not a JSON object"),
        ] {
            assert_eq!(ids(&value).unwrap_err(), reason, "{value}");
        }
    }
}
