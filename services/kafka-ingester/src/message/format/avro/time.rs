//! Dates and times as texts of ISO 8601. What no calendar has stays a number.

use jiff::civil::{Date, Time, date};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp};

use crate::message::format::json_text::{push_display, push_quoted};

/// What a number counts.
#[derive(Debug, Clone, Copy)]
pub(super) enum Unit {
    Millis,
    Micros,
    Nanos,
}

impl Unit {
    fn timestamp(self, count: i64) -> Option<Timestamp> {
        match self {
            Self::Millis => Timestamp::from_millisecond(count),
            Self::Micros => Timestamp::from_microsecond(count),
            Self::Nanos => Timestamp::from_nanosecond(count.into()),
        }
        .ok()
    }
}

/// `days` since 1970.
pub(super) fn push_date(out: &mut Vec<u8>, days: i64) {
    let day = Span::new().try_days(days).and_then(|days| EPOCH.checked_add(days)).ok();
    push_or_number(out, day, days);
}

/// `count` since midnight.
pub(super) fn push_time(out: &mut Vec<u8>, count: i64, unit: Unit) {
    let since_midnight = match unit {
        Unit::Millis => SignedDuration::from_millis(count),
        Unit::Micros => SignedDuration::from_micros(count),
        Unit::Nanos => SignedDuration::from_nanos(count),
    };
    push_or_number(out, Time::midnight().checked_add(since_midnight).ok(), count);
}

/// `count` since 1970 in UTC.
pub(super) fn push_timestamp(out: &mut Vec<u8>, count: i64, unit: Unit) {
    push_or_number(out, unit.timestamp(count), count);
}

/// `count` since 1970 on a clock of an unknown time zone.
pub(super) fn push_local_timestamp(out: &mut Vec<u8>, count: i64, unit: Unit) {
    let local = unit.timestamp(count).map(|timestamp| TimeZone::UTC.to_datetime(timestamp));
    push_or_number(out, local, count);
}

fn push_or_number(out: &mut Vec<u8>, time: Option<impl std::fmt::Display>, number: i64) {
    match time {
        Some(time) => push_quoted(out, time),
        None => push_display(out, number),
    }
}

const EPOCH: Date = date(1970, 1, 1);
