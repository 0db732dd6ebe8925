//! The id of a message, by the key template.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::bad_message::BadMessage;
use super::json::{self, JsonType, RawField};
use super::key_template::KeyTemplate;
use super::placeholder::{Placeholder, Source};
use super::record::Record;

/// The id of a message whose value has these fields.
pub(super) fn id<'a>(
    template: &KeyTemplate,
    record: &Record<'a>,
    fields: &[RawField<'a>],
) -> Result<Cow<'a, str>, BadMessage> {
    join(template, |placeholder| resolve(placeholder, record, fields))
}

/// The id of a message without a value: the fields are those of the Kafka key. A key that is no object is a field itself
/// if `is_one_field`.
pub(super) fn id_of_key<'a>(
    template: &KeyTemplate,
    record: &Record<'a>,
    is_one_field: bool,
) -> Result<Cow<'a, str>, BadMessage> {
    let key = KafkaKey::parse(record)?;
    join(template, |placeholder| match (&placeholder.source, &key) {
        (Source::Field(path), KafkaKey::Object(fields)) => scalar(placeholder, path.find(fields)?),
        (Source::Field(_), KafkaKey::Text(text)) if is_one_field => Ok(text.clone()),
        (Source::Field(_), KafkaKey::Text(_)) => Err(BadMessage::NoKey(placeholder.describe())),
        _ => of_record(placeholder, record),
    })
}

/// The text of one part of a message whose value has these fields.
pub(super) fn resolve<'a>(
    placeholder: &Placeholder,
    record: &Record<'a>,
    fields: &[RawField<'a>],
) -> Result<Cow<'a, str>, BadMessage> {
    match &placeholder.source {
        Source::Field(path) => scalar(placeholder, path.find(fields)?),
        _ => of_record(placeholder, record),
    }
}

fn join<'a>(
    template: &KeyTemplate,
    resolve: impl Fn(&Placeholder) -> Result<Cow<'a, str>, BadMessage>,
) -> Result<Cow<'a, str>, BadMessage> {
    let mut placeholders = template.placeholders();
    if placeholders.len() == 1
        && let Some((only, _)) = placeholders.next()
    {
        return resolve(only);
    }
    let mut id = String::new();
    for (placeholder, text) in placeholders {
        id.push_str(&resolve(placeholder)?);
        id.push_str(text);
    }
    Ok(Cow::Owned(id))
}

fn of_record<'a>(placeholder: &Placeholder, record: &Record<'a>) -> Result<Cow<'a, str>, BadMessage> {
    let missing = || BadMessage::NoKey(placeholder.describe());
    match &placeholder.source {
        Source::Topic if !record.topic.is_empty() => Ok(Cow::Borrowed(record.topic)),
        Source::Partition => Ok(Cow::Owned(record.partition.to_string())),
        Source::Timestamp => record.timestamp_ms.map(|ms| Cow::Owned(ms.to_string())).ok_or_else(missing),
        Source::Header(name) => {
            let header = record.headers.iter().rev().find(|(header, _)| header == name);
            let (_, value) = header.ok_or_else(missing)?;
            let text = std::str::from_utf8(value).map_err(|_| BadMessage::BadKey(placeholder.describe()))?;
            Ok(Cow::Borrowed(text))
        }
        Source::Key | Source::KeyField(_) if record.key.is_none_or(<[u8]>::is_empty) => Err(missing()),
        Source::Key => match KafkaKey::parse(record)? {
            KafkaKey::Text(text) => Ok(text),
            KafkaKey::Object(_) => Err(BadMessage::BadKey(placeholder.describe())),
        },
        Source::KeyField(path) => match KafkaKey::parse(record)? {
            KafkaKey::Text(_) => Err(missing()),
            KafkaKey::Object(fields) => scalar(placeholder, path.find(&fields)?),
        },
        Source::Topic | Source::Field(_) => Err(missing()),
    }
}

/// The text of a string or a number.
fn scalar<'a>(placeholder: &Placeholder, value: Option<&'a RawValue>) -> Result<Cow<'a, str>, BadMessage> {
    let value = value.ok_or_else(|| BadMessage::NoKey(placeholder.describe()))?;
    match json::json_type(value) {
        JsonType::String | JsonType::Number => json::redis_text(value),
        JsonType::Null | JsonType::Boolean | JsonType::Object | JsonType::Array => {
            Err(BadMessage::BadKey(placeholder.describe()))
        }
    }
}

/// A Kafka key, in any of the forms that producers, Debezium and Kafka Connect give it.
enum KafkaKey<'a> {
    /// A text as it is, a JSON string or number.
    Text(Cow<'a, str>),
    /// A JSON object.
    Object(Vec<RawField<'a>>),
}

impl<'a> KafkaKey<'a> {
    fn parse(record: &Record<'a>) -> Result<Self, BadMessage> {
        let bytes = record.key.filter(|key| !key.is_empty()).ok_or(BadMessage::Empty)?;
        let text = std::str::from_utf8(bytes).map_err(|_| BadMessage::BadKey("the Kafka key".to_owned()))?;
        match text.trim_start().as_bytes().first() {
            Some(b'"') => match serde_json::from_str::<&RawValue>(text) {
                Ok(string) => json::redis_text(string).map(Self::Text),
                Err(_) => Ok(Self::Text(Cow::Borrowed(text))),
            },
            Some(b'{') => Ok(match json::parse_object(text) {
                Err(_) => Self::Text(Cow::Borrowed(text)),
                Ok(fields) => match json::connect_payload(&fields) {
                    None => Self::Object(fields),
                    Some(payload) if json::json_type(payload) == JsonType::Object => {
                        Self::Object(json::parse_object(payload.get())?)
                    }
                    Some(payload) => Self::Text(json::redis_text(payload)?),
                },
            }),
            _ => Ok(Self::Text(Cow::Borrowed(text))),
        }
    }
}
