//! Takes TOML values apart. Each error has the place of the value.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// What is wrong, and the byte offset of the place.
pub(super) struct ParseError {
    pub(super) offset: usize,
    pub(super) reason: String,
}

pub(super) type Value<'i> = Spanned<DeValue<'i>>;

pub(super) fn fail<T>(span: Range<usize>, reason: impl Into<String>) -> Result<T, ParseError> {
    Err(ParseError { offset: span.start, reason: reason.into() })
}

pub(super) fn as_table<'a, 'i>(value: &'a Value<'i>) -> Result<&'a DeTable<'i>, ParseError> {
    match value.get_ref() {
        DeValue::Table(table) => Ok(table),
        other => fail(value.span(), format!("must be a table, not {}", type_name(other))),
    }
}

pub(super) fn entries<'a, 'i>(table: &'a DeTable<'i>) -> impl Iterator<Item = (String, &'a Value<'i>)> {
    table.iter().map(|(name, value)| (name.get_ref().to_string(), value))
}

/// The only entry of a table. `must_be` says what is allowed, for the error.
pub(super) fn single_entry<'a, 'i>(
    value: &'a Value<'i>,
    must_be: &str,
) -> Result<(&'a str, &'a Value<'i>), ParseError> {
    expect_at_most(value, 1, must_be)?;
    match as_table(value)?.iter().next() {
        Some((name, operand)) => Ok((name.get_ref().as_ref(), operand)),
        None => fail(value.span(), format!("must be {must_be}")),
    }
}

/// Fails if the table has more than `max` entries.
pub(super) fn expect_at_most(value: &Value<'_>, max: usize, must_be: &str) -> Result<(), ParseError> {
    let table = as_table(value)?;
    if table.len() <= max {
        return Ok(());
    }
    let names: Vec<&str> = table.keys().map(|name| name.get_ref().as_ref()).collect();
    fail(value.span(), format!("{} cannot be combined: must be {must_be}", names.join(" and ")))
}

pub(super) fn parse_list<T>(
    value: &Value<'_>,
    parse_item: impl Fn(&Value<'_>) -> Result<T, ParseError>,
) -> Result<Vec<T>, ParseError> {
    match value.get_ref() {
        DeValue::Array(items) if items.is_empty() => fail(value.span(), "must not be empty"),
        DeValue::Array(items) => items.iter().map(parse_item).collect(),
        other => fail(value.span(), format!("must be a list, not {}", type_name(other))),
    }
}

pub(super) fn parse_string(value: &Value<'_>) -> Result<String, ParseError> {
    match value.get_ref() {
        DeValue::String(text) if text.is_empty() => fail(value.span(), "must not be empty"),
        DeValue::String(text) => Ok(text.to_string()),
        other => fail(value.span(), format!("must be a string, not {}", type_name(other))),
    }
}

fn type_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Datetime(_) => "a date",
    }
}
