//! The rules of a checklist, as data. [`Rules::load`] reads them, [`Check::holds`] evaluates them.

mod parse;

use std::fs;

pub use parse::RulesError;

use crate::run::{RunHash, whole_number};

/// A checklist: its entries in the order in which they are sent, and the locks that are always sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    pub(crate) checklist: Vec<(String, Check)>,
    pub(crate) lock_statuses: Vec<String>,
}

/// What makes an entry true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Check {
    /// The hash has the field, whatever its value.
    Present(String),
    /// The hash has the field, and its value is not the empty text.
    NotEmpty(String),
    /// The field's value is `true`.
    IsTrue(String),
    /// The time is later than each of the others. False where one of them is not a whole number.
    Newer { time: Time, than: Vec<Time> },
    /// Each of them holds.
    All(Vec<Check>),
    /// At least one of them holds.
    Any(Vec<Check>),
}

/// A time that a run's hash tells, in epoch seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Time {
    /// The field's value.
    Field(String),
    /// The latest of those that are whole numbers.
    LatestOf(Vec<Time>),
    /// The first that is present and not empty.
    FirstOf(Vec<Time>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    Absent,
    NotANumber,
    At(i128),
}

impl Rules {
    /// Loads a built-in set by its name, `weppcloud2` or `wepppy`, or else the rules file of that path.
    ///
    /// # Errors
    /// When the file cannot be read or is wrong; the text names the file, the line and the reason.
    pub fn load(name_or_path: &str) -> Result<Self, String> {
        match BUILT_IN.iter().find(|(name, _)| *name == name_or_path) {
            Some((_, text)) => Self::parse(text).map_err(|error| error.to_string()),
            None => {
                let text = fs::read_to_string(name_or_path).map_err(|error| {
                    format!(
                        "must be weppcloud2, wepppy or the path of a rules file: read {name_or_path}: {error}"
                    )
                })?;
                Self::parse(&text)
                    .map_err(|error| format!("must be a rules file without errors: {name_or_path} {error}"))
            }
        }
    }
}

/// The sets that are built into the binary, by name.
const BUILT_IN: [(&str, &str); 2] = [
    ("weppcloud2", include_str!("../rules/weppcloud2.toml")),
    ("wepppy", include_str!("../rules/wepppy.toml")),
];

impl Check {
    pub(crate) fn holds(&self, run: &RunHash) -> bool {
        match self {
            Self::Present(field) => run.get(field).is_some(),
            Self::NotEmpty(field) => run.get(field).is_some_and(|value| !value.is_empty()),
            Self::IsTrue(field) => run.is_true(field),
            Self::Newer { time, than } => match time.read(run) {
                Reading::At(time) => than.iter().all(|other| match other.read(run) {
                    Reading::At(other) => time > other,
                    Reading::Absent | Reading::NotANumber => false,
                }),
                Reading::Absent | Reading::NotANumber => false,
            },
            Self::All(checks) => checks.iter().all(|check| check.holds(run)),
            Self::Any(checks) => checks.iter().any(|check| check.holds(run)),
        }
    }
}

impl Time {
    fn read(&self, run: &RunHash) -> Reading {
        match self {
            Self::Field(field) => match run.get(field) {
                None | Some("") => Reading::Absent,
                Some(text) => whole_number(text).map_or(Reading::NotANumber, Reading::At),
            },
            Self::LatestOf(times) => {
                let known = times.iter().filter_map(|time| match time.read(run) {
                    Reading::At(time) => Some(time),
                    Reading::Absent | Reading::NotANumber => None,
                });
                known.max().map_or(Reading::Absent, Reading::At)
            }
            Self::FirstOf(times) => times
                .iter()
                .map(|time| time.read(run))
                .find(|reading| *reading != Reading::Absent)
                .unwrap_or(Reading::Absent),
        }
    }
}

#[cfg(test)]
mod tests;
