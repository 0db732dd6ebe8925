//! From TOML to [`Rules`].

use std::collections::HashMap;

use toml::de::{DeTable, DeValue};

use super::toml_value::{
    ParseError, Value, as_table, entries, expect_at_most, fail, parse_list, parse_string, single_entry,
};
use crate::check::{Check, TimeExpr};
use crate::rules::Rules;

const CHECKS: &str = "present, not-empty, is-true, all, any, or time with newer-than";
const TIMES: &str = "latest-of or first-of";

/// Holds the times that `[times]` has defined so far, by name.
#[derive(Default)]
pub(super) struct Parser {
    times: HashMap<String, TimeExpr>,
}

impl Parser {
    pub(super) fn parse(mut self, text: &str) -> Result<Rules, ParseError> {
        let file = DeTable::parse(text).map_err(|error| ParseError {
            offset: error.span().unwrap_or_default().start,
            reason: error.message().replace('\n', ", "),
        })?;
        let (mut lock_statuses, mut times, mut checklist) = (Vec::new(), None, None);
        for (name, value) in file.get_ref() {
            match name.get_ref().as_ref() {
                "lock_statuses" => lock_statuses = parse_list(value, parse_string)?,
                "times" => times = Some(value),
                "checklist" => checklist = Some(value),
                other => {
                    return fail(
                        name.span(),
                        format!("{other:?} is not known: must be lock_statuses, times or checklist"),
                    );
                }
            }
        }
        // [times] is read first, wherever it is in the file.
        if let Some(times) = times {
            for (name, value) in entries(as_table(times)?) {
                let time = self.time(value)?;
                self.times.insert(name, time);
            }
        }
        let Some(checklist) = checklist else {
            return fail(0..0, "a rules file must have a [checklist]");
        };
        let checklist = entries(as_table(checklist)?)
            .map(|(name, value)| Ok((name, self.check(value)?)))
            .collect::<Result<Vec<_>, ParseError>>()?;
        Ok(Rules { checklist, lock_statuses })
    }

    fn check(&self, value: &Value<'_>) -> Result<Check, ParseError> {
        let table = as_table(value)?;
        let operand =
            |name: &str| table.iter().find(|(key, _)| key.get_ref() == name).map(|(_, value)| value);
        if let Some(time) = operand("time") {
            let Some(than) = operand("newer-than") else {
                return fail(value.span(), "time needs a newer-than beside it");
            };
            expect_at_most(value, 2, "time with newer-than")?;
            let than = match than.get_ref() {
                DeValue::Array(_) => parse_list(than, |time| self.time(time))?,
                _ => vec![self.time(than)?],
            };
            return Ok(Check::Newer { time: self.time(time)?, than });
        }
        let (name, operand) = single_entry(value, CHECKS)?;
        match name {
            "present" => Ok(Check::Present(field_name(&parse_string(operand)?))),
            "not-empty" => Ok(Check::NotEmpty(field_name(&parse_string(operand)?))),
            "is-true" => Ok(Check::IsTrue(field_name(&parse_string(operand)?))),
            "all" => Ok(Check::All(parse_list(operand, |check| self.check(check))?)),
            "any" => Ok(Check::Any(parse_list(operand, |check| self.check(check))?)),
            "newer-than" => fail(value.span(), "newer-than needs a time beside it"),
            other => fail(value.span(), format!("{other:?} is not known: must be {CHECKS}")),
        }
    }

    fn time(&self, value: &Value<'_>) -> Result<TimeExpr, ParseError> {
        if let DeValue::String(_) = value.get_ref() {
            let name = parse_string(value)?;
            let defined = self.times.get(&name).cloned();
            return Ok(defined.unwrap_or_else(|| TimeExpr::Field(field_name(&name))));
        }
        let (name, operand) = single_entry(value, TIMES)?;
        match name {
            "latest-of" => Ok(TimeExpr::LatestOf(parse_list(operand, |time| self.time(time))?)),
            "first-of" => Ok(TimeExpr::FirstOf(parse_list(operand, |time| self.time(time))?)),
            other => fail(value.span(), format!("{other:?} is not known: must be a name, {TIMES}")),
        }
    }
}

/// A name without a colon is that of a timestamp.
fn field_name(name: &str) -> String {
    if name.contains(':') { name.to_owned() } else { format!("timestamps:{name}") }
}
