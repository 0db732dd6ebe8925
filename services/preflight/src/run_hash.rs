//! The fields of a run at one moment.

use std::collections::HashMap;

/// The fields of a run's hash. A run that does not exist has none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunHash(HashMap<String, String>);

impl RunHash {
    /// Whether it has no fields.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of a field, if the hash has it.
    pub fn get(&self, field: &str) -> Option<&str> {
        self.0.get(field).map(String::as_str)
    }

    /// The value of a field, if it is a whole number.
    pub fn whole_number(&self, field: &str) -> Option<i128> {
        self.get(field).and_then(parse_whole_number)
    }

    /// Whether the field's value is `true`.
    pub fn is_true(&self, field: &str) -> bool {
        self.get(field) == Some("true")
    }

    /// Names, without the prefix, and values of the fields that begin with it. In no order.
    pub fn with_prefix(&self, prefix: &str) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().filter_map(move |(field, value)| Some((field.strip_prefix(prefix)?, value.as_str())))
    }
}

impl<F: Into<String>, V: Into<String>> FromIterator<(F, V)> for RunHash {
    fn from_iter<I: IntoIterator<Item = (F, V)>>(fields: I) -> Self {
        Self(fields.into_iter().map(|(field, value)| (field.into(), value.into())).collect())
    }
}

/// Digits with an optional sign, and nothing around them.
pub(crate) fn parse_whole_number(text: &str) -> Option<i128> {
    text.parse().ok()
}
