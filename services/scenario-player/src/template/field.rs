//! The fields of a step that a template may name.

use std::fmt;

use crate::event::CustomerStep;

/// A field of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    /// `{id}`: the customer.
    Id,
    /// `{ts}`: whole seconds since 1970.
    Seconds,
    /// `{ts_ms}`: whole milliseconds since 1970.
    Millis,
    /// `{time}`: ISO 8601.
    Time,
    /// `{x}`.
    X,
    /// `{y}`.
    Y,
    /// `{type}`: ENTER, MOVE, FOCUS or EXIT.
    Kind,
}

const FIELDS: [(&str, Field); 7] = [
    ("id", Field::Id),
    ("ts", Field::Seconds),
    ("ts_ms", Field::Millis),
    ("time", Field::Time),
    ("x", Field::X),
    ("y", Field::Y),
    ("type", Field::Kind),
];

impl Field {
    pub(super) fn parse(name: &str) -> Result<Self, String> {
        let found = FIELDS.iter().find(|(known, _)| *known == name);
        found.map(|(_, field)| *field).ok_or_else(|| {
            let names = FIELDS.map(|(known, _)| format!("{{{known}}}")).join(", ");
            format!("must be made of known fields: {{{name}}} is none of {names}")
        })
    }

    pub(super) fn is_number(self) -> bool {
        matches!(self, Field::Seconds | Field::Millis | Field::X | Field::Y)
    }

    /// Appends the field as plain text.
    pub(super) fn write(self, step: &CustomerStep, out: &mut impl fmt::Write) -> fmt::Result {
        let CustomerStep { customer, step } = step;
        match self {
            Field::Id => out.write_str(customer.as_str()),
            Field::Seconds => write!(out, "{}", step.time.as_secs()),
            Field::Millis => write!(out, "{}", step.time.as_ms()),
            Field::Time => write!(out, "{}", step.time.display_iso()),
            Field::X => write!(out, "{}", step.x),
            Field::Y => write!(out, "{}", step.y),
            Field::Kind => out.write_str(step.kind.as_str()),
        }
    }
}
