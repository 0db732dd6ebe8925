//! From the text of a rules file to [`Rules`]. Each error names the line.

use std::collections::HashMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Check, Rules, Time};

/// What is wrong with a rules file, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct RulesError {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong there.
    pub reason: String,
}

impl Rules {
    /// Reads the text of a rules file.
    ///
    /// # Errors
    /// At the first thing that is wrong, with its line.
    pub fn parse(text: &str) -> Result<Self, RulesError> {
        Parser::default().rules(text).map_err(|Wrong { at, reason }| RulesError {
            line: 1 + text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count(),
            reason,
        })
    }
}

const CHECKS: &str = "present, not-empty, is-true, all, any, or time with newer-than";
const TIMES: &str = "latest-of or first-of";

/// The times that [times] has defined so far, by name.
#[derive(Default)]
struct Parser {
    times: HashMap<String, Time>,
}

/// An error and the byte at which it is.
struct Wrong {
    at: usize,
    reason: String,
}

type Value<'i> = Spanned<DeValue<'i>>;

impl Parser {
    fn rules(mut self, text: &str) -> Result<Rules, Wrong> {
        let file = DeTable::parse(text).map_err(|error| Wrong {
            at: error.span().unwrap_or_default().start,
            reason: error.message().replace('\n', ", "),
        })?;
        let (mut lock_statuses, mut times, mut checklist) = (Vec::new(), None, None);
        for (name, value) in file.get_ref() {
            match name.get_ref().as_ref() {
                "lock_statuses" => lock_statuses = list(value, text_of)?,
                "times" => times = Some(value),
                "checklist" => checklist = Some(value),
                other => {
                    return wrong(
                        name.span(),
                        format!("{other:?} is not known: must be lock_statuses, times or checklist"),
                    );
                }
            }
        }
        // [times] first, wherever in the file it stands.
        if let Some(times) = times {
            for (name, value) in table(value_table(times)?) {
                let time = self.time(value)?;
                self.times.insert(name, time);
            }
        }
        let Some(checklist) = checklist else {
            return wrong(0..0, "a rules file must have a [checklist]");
        };
        let checklist = table(value_table(checklist)?)
            .map(|(name, value)| Ok((name, self.check(value)?)))
            .collect::<Result<Vec<_>, Wrong>>()?;
        Ok(Rules { checklist, lock_statuses })
    }

    fn check(&self, value: &Value<'_>) -> Result<Check, Wrong> {
        let table = value_table(value)?;
        let operator =
            |name: &str| table.iter().find(|(key, _)| key.get_ref() == name).map(|(_, value)| value);
        if let Some(time) = operator("time") {
            let Some(than) = operator("newer-than") else {
                return wrong(value.span(), "time must have a newer-than beside it");
            };
            only(value, 2, "time with newer-than")?;
            let than = match than.get_ref() {
                DeValue::Array(_) => list(than, |time| self.time(time))?,
                _ => vec![self.time(than)?],
            };
            return Ok(Check::Newer { time: self.time(time)?, than });
        }
        let (name, operand) = single(value, CHECKS)?;
        match name {
            "present" => Ok(Check::Present(field(&text_of(operand)?))),
            "not-empty" => Ok(Check::NotEmpty(field(&text_of(operand)?))),
            "is-true" => Ok(Check::IsTrue(field(&text_of(operand)?))),
            "all" => Ok(Check::All(list(operand, |check| self.check(check))?)),
            "any" => Ok(Check::Any(list(operand, |check| self.check(check))?)),
            "newer-than" => wrong(value.span(), "newer-than must have a time beside it"),
            other => wrong(value.span(), format!("{other:?} is not known: must be {CHECKS}")),
        }
    }

    fn time(&self, value: &Value<'_>) -> Result<Time, Wrong> {
        if let DeValue::String(_) = value.get_ref() {
            let name = text_of(value)?;
            return Ok(self.times.get(&name).cloned().unwrap_or_else(|| Time::Field(field(&name))));
        }
        let (name, operand) = single(value, TIMES)?;
        match name {
            "latest-of" => Ok(Time::LatestOf(list(operand, |time| self.time(time))?)),
            "first-of" => Ok(Time::FirstOf(list(operand, |time| self.time(time))?)),
            other => wrong(value.span(), format!("{other:?} is not known: must be a name, {TIMES}")),
        }
    }
}

/// A name without a colon stands for a timestamp.
fn field(name: &str) -> String {
    if name.contains(':') { name.to_owned() } else { format!("timestamps:{name}") }
}

fn table<'a, 'i>(table: &'a DeTable<'i>) -> impl Iterator<Item = (String, &'a Value<'i>)> {
    table.iter().map(|(name, value)| (name.get_ref().to_string(), value))
}

fn value_table<'a, 'i>(value: &'a Value<'i>) -> Result<&'a DeTable<'i>, Wrong> {
    match value.get_ref() {
        DeValue::Table(table) => Ok(table),
        other => wrong(value.span(), format!("must be a table, not {}", kind(other))),
    }
}

fn single<'a, 'i>(value: &'a Value<'i>, must_be: &str) -> Result<(&'a str, &'a Value<'i>), Wrong> {
    only(value, 1, must_be)?;
    match value_table(value)?.iter().next() {
        Some((name, operand)) => Ok((name.get_ref().as_ref(), operand)),
        None => wrong(value.span(), format!("must be {must_be}")),
    }
}

fn only(value: &Value<'_>, most: usize, must_be: &str) -> Result<(), Wrong> {
    let table = value_table(value)?;
    if table.len() <= most {
        return Ok(());
    }
    let names: Vec<&str> = table.keys().map(|name| name.get_ref().as_ref()).collect();
    wrong(value.span(), format!("{} do not go together: must be {must_be}", names.join(" and ")))
}

fn list<T>(value: &Value<'_>, item: impl Fn(&Value<'_>) -> Result<T, Wrong>) -> Result<Vec<T>, Wrong> {
    match value.get_ref() {
        DeValue::Array(items) if items.is_empty() => wrong(value.span(), "must not be empty"),
        DeValue::Array(items) => items.iter().map(item).collect(),
        other => wrong(value.span(), format!("must be a list, not {}", kind(other))),
    }
}

fn text_of(value: &Value<'_>) -> Result<String, Wrong> {
    match value.get_ref() {
        DeValue::String(text) if text.is_empty() => wrong(value.span(), "must not be empty"),
        DeValue::String(text) => Ok(text.to_string()),
        other => wrong(value.span(), format!("must be a text, not {}", kind(other))),
    }
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
        DeValue::Boolean(_) => "true or false",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Datetime(_) => "a date",
    }
}

fn wrong<T>(at: Range<usize>, reason: impl Into<String>) -> Result<T, Wrong> {
    Err(Wrong { at: at.start, reason: reason.into() })
}
