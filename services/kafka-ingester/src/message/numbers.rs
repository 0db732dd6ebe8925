//! The numbers of a message that say what becomes of its key: the version, when it expires, and the score.

use std::borrow::Cow;

use jiff::Timestamp;

use super::bad_message::BadMessage;
use super::change::Expiry;
use super::id::resolve;
use super::json::{self, JsonType, RawField};
use super::placeholder::{Placeholder, Source};
use super::policy::{Policy, TtlUnit};
use super::record::Record;

/// The version of a message by `NEWER_BY`: a whole number, or the microseconds since 1970 of a time. `None` if it has none.
pub(super) fn version(
    policy: &Policy,
    record: &Record<'_>,
    fields: &[RawField<'_>],
) -> Result<Option<u64>, BadMessage> {
    let Some(part) = &policy.newer_by else { return Ok(None) };
    let Some(text) = find(part, record, fields, VERSION)? else { return Ok(None) };
    let version = text.parse().ok().or_else(|| {
        let time: Timestamp = text.parse().ok()?;
        u64::try_from(time.as_microsecond()).ok()
    });
    version.map(Some).ok_or_else(|| BadMessage::BadField(part.describe(), VERSION))
}

/// When the key expires by `TTL_FROM`. `None` if the message does not say it.
pub(super) fn expiry(
    policy: &Policy,
    record: &Record<'_>,
    fields: &[RawField<'_>],
) -> Result<Option<Expiry>, BadMessage> {
    let Some(part) = &policy.ttl_from else { return Ok(None) };
    let Some(text) = find(part, record, fields, TTL)? else { return Ok(None) };
    let number: i64 = text.parse().map_err(|_| BadMessage::BadField(part.describe(), TTL))?;
    let ms = match policy.ttl_unit {
        TtlUnit::Seconds | TtlUnit::Epoch => number.checked_mul(1_000),
        TtlUnit::Ms | TtlUnit::EpochMs => Some(number),
    };
    let ms = ms.filter(|ms| (0..=MAX_EXPIRY_MS).contains(ms));
    let ms = ms.ok_or_else(|| BadMessage::BadField(part.describe(), TTL))?;
    Ok(Some(match policy.ttl_unit {
        TtlUnit::Seconds | TtlUnit::Ms => Expiry::AfterMs(ms),
        TtlUnit::Epoch | TtlUnit::EpochMs => Expiry::AtMs(ms),
    }))
}

/// The score of a member, as it stands in the message.
pub(super) fn score<'a>(
    part: &Placeholder,
    record: &Record<'a>,
    fields: &[RawField<'a>],
) -> Result<Cow<'a, str>, BadMessage> {
    let text = find(part, record, fields, SCORE)?.ok_or_else(|| BadMessage::NoField(part.describe()))?;
    let is_number = text.parse::<f64>().is_ok_and(f64::is_finite);
    if is_number { Ok(text) } else { Err(BadMessage::BadField(part.describe(), SCORE)) }
}

/// The text of a part that is a string or a number. `None` if it is missing or null.
fn find<'a>(
    part: &Placeholder,
    record: &Record<'a>,
    fields: &[RawField<'a>],
    must_be: &'static str,
) -> Result<Option<Cow<'a, str>>, BadMessage> {
    let is_null = || match &part.source {
        Source::Field(path) => {
            matches!(path.find(fields), Ok(Some(value)) if json::json_type(value) == JsonType::Null)
        }
        _ => false,
    };
    match resolve(part, record, fields) {
        Ok(text) => Ok(Some(text)),
        Err(BadMessage::NoKey(_)) => Ok(None),
        Err(BadMessage::BadKey(_)) if is_null() => Ok(None),
        Err(BadMessage::BadKey(what)) => Err(BadMessage::BadField(what, must_be)),
        Err(other) => Err(other),
    }
}

const VERSION: &str = "a whole number, or a time such as 2026-11-28T12:00:00Z";
const TTL: &str = "a whole number, 0 or more";
const SCORE: &str = "a number";
/// The year 33658. Redis refuses times far beyond it.
const MAX_EXPIRY_MS: i64 = 1_000_000_000_000_000;
