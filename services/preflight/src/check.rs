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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TimeValue {
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
            Self::Newer { time, than } => match time.evaluate(run) {
                TimeValue::Seconds(time) => than.iter().all(|other| match other.evaluate(run) {
                    TimeValue::Seconds(other) => time > other,
                    TimeValue::Missing | TimeValue::NotANumber => false,
                }),
                TimeValue::Missing | TimeValue::NotANumber => false,
            },
            Self::All(checks) => checks.iter().all(|check| check.is_true_for(run)),
            Self::Any(checks) => checks.iter().any(|check| check.is_true_for(run)),
        }
    }
}

impl TimeExpr {
    fn evaluate(&self, run: &RunHash) -> TimeValue {
        match self {
            Self::Field(field) => match run.get(field) {
                None | Some("") => TimeValue::Missing,
                Some(text) => parse_whole_number(text).map_or(TimeValue::NotANumber, TimeValue::Seconds),
            },
            Self::LatestOf(times) => {
                let numbers = times.iter().filter_map(|time| match time.evaluate(run) {
                    TimeValue::Seconds(time) => Some(time),
                    TimeValue::Missing | TimeValue::NotANumber => None,
                });
                numbers.max().map_or(TimeValue::Missing, TimeValue::Seconds)
            }
            Self::FirstOf(times) => times
                .iter()
                .map(|time| time.evaluate(run))
                .find(|value| *value != TimeValue::Missing)
                .unwrap_or(TimeValue::Missing),
        }
    }
}
