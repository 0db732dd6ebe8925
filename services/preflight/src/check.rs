//! The conditions that rules are made of, and their evaluation for a run.

use crate::run_hash::{RunHash, parse_whole_number};

/// The condition under which an entry is true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Check {
    /// The hash has the field, whatever its value.
    Present(String),
    /// The hash has the field, and its value is not the empty string.
    NotEmpty(String),
    /// The field's value is `true`.
    IsTrue(String),
    /// The time is later than each of the others. False if one of them is not a whole number.
    Newer { time: TimeExpr, than: Vec<TimeExpr> },
    /// Each of them is true.
    All(Vec<Check>),
    /// At least one of them is true.
    Any(Vec<Check>),
}

/// A time, computed from the fields of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TimeExpr {
    /// The field's value.
    Field(String),
    /// The latest of those that are whole numbers.
    LatestOf(Vec<TimeExpr>),
    /// The first that is present and not empty.
    FirstOf(Vec<TimeExpr>),
}

/// The value of a time, and the field that has decided it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Time<'a> {
    pub(crate) field: &'a str,
    pub(crate) value: TimeValue,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimeValue {
    /// The field is absent or empty.
    Missing,
    NotANumber,
    /// Epoch seconds.
    Seconds(i128),
}

impl Check {
    pub(crate) fn is_true_for(&self, run: &RunHash) -> bool {
        match self {
            Self::Present(field) => run.get(field).is_some(),
            Self::NotEmpty(field) => run.get(field).is_some_and(|value| !value.is_empty()),
            Self::IsTrue(field) => run.is_true(field),
            Self::Newer { time, than } => match time.evaluate(run).seconds() {
                Some(time) => {
                    than.iter().all(|other| other.evaluate(run).seconds().is_some_and(|other| time > other))
                }
                None => false,
            },
            Self::All(checks) => checks.iter().all(|check| check.is_true_for(run)),
            Self::Any(checks) => checks.iter().any(|check| check.is_true_for(run)),
        }
    }
}

impl TimeExpr {
    pub(crate) fn evaluate<'a>(&'a self, run: &RunHash) -> Time<'a> {
        match self {
            Self::Field(field) => Time { field, value: TimeValue::of(run.get(field)) },
            Self::LatestOf(times) => {
                let times = || times.iter().map(|time| time.evaluate(run));
                let latest = times().max_by_key(|time| time.seconds());
                // What is no number does not count.
                latest
                    .filter(|time| time.seconds().is_some())
                    .unwrap_or_else(|| Time::missing(times().next()))
            }
            Self::FirstOf(times) => {
                let times = || times.iter().map(|time| time.evaluate(run));
                let first = times().find(|time| time.value != TimeValue::Missing);
                first.unwrap_or_else(|| Time::missing(times().next()))
            }
        }
    }
}

impl Time<'_> {
    /// Of several times, none of which is known: it is the first that misses.
    fn missing(first: Option<Self>) -> Self {
        Self { field: first.map_or("", |time| time.field), value: TimeValue::Missing }
    }

    /// Epoch seconds, if it is known.
    pub(crate) fn seconds(self) -> Option<i128> {
        match self.value {
            TimeValue::Seconds(seconds) => Some(seconds),
            TimeValue::Missing | TimeValue::NotANumber => None,
        }
    }
}

impl TimeValue {
    fn of(text: Option<&str>) -> Self {
        match text {
            None | Some("") => Self::Missing,
            Some(text) => parse_whole_number(text).map_or(Self::NotANumber, Self::Seconds),
        }
    }
}
