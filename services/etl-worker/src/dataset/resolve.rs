//! Resolves names: of values, types and conditions.

use super::condition::{Condition, Operand, Operator};
use super::definition::Fragment;
use super::names::{Scope, Source};
use crate::table::{ColumnType, Origin, ScalarType, Value};

/// A value that has a name.
#[derive(Debug, Clone)]
pub(super) struct Named {
    pub(super) name: String,
    pub(super) column_type: ColumnType,
    pub(super) is_nullable: bool,
    /// Whether it is known before the first entry is read.
    pub(super) is_known_early: bool,
    /// Whether it is an entry's value that names a member.
    pub(super) is_member: bool,
    /// Whether it is a rank, which is computed after everything else.
    pub(super) is_rank: bool,
}

/// All values that have names.
#[derive(Debug, Default)]
pub(super) struct Names {
    pub(super) entry: Vec<Named>,
    pub(super) member: Vec<Named>,
    pub(super) session: Vec<Named>,
}

/// A name that was found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub(super) source: Source,
    pub(super) column_type: ColumnType,
    pub(super) is_nullable: bool,
}

impl Names {
    /// What a name means where there is a row of this scope.
    pub(super) fn find(&self, name: &str, scope: Scope) -> Result<Found, String> {
        let found = |source, column_type, is_nullable| Ok(Found { source, column_type, is_nullable });
        let text = ColumnType::of(ScalarType::Text);
        let number = ColumnType::of(ScalarType::Integer { bits: 64, signed: false });
        match (name, scope) {
            ("token", _) => return found(Source::Token, text, false),
            ("member", Scope::Member) => return found(Source::Member, text, false),
            ("number", Scope::Entry) => return found(Source::Number, number, false),
            _ => {}
        }
        let own = match scope {
            Scope::Entry => self.entry_value(name),
            Scope::Member => {
                position(&self.member, name).map(|(number, named)| (Source::OfMember(number), named))
            }
            Scope::Session => None,
        };
        let of_session = position(&self.session, name)
            .filter(|(_, named)| scope != Scope::Entry || named.is_known_early)
            .map(|(number, named)| (Source::OfSession(number), named));
        match own.or(of_session) {
            Some((source, named)) => found(source, named.column_type, named.is_nullable),
            None if position(&self.session, name).is_some() => {
                Err(format!("{name} is only known after the last entry"))
            }
            None => Err(format!("there is no {name} here")),
        }
    }

    /// As [`find`](Self::find), of a value that can be put in order.
    pub(super) fn find_ordered(&self, name: &str, scope: Scope) -> Result<Found, String> {
        let found = self.find(name, scope)?;
        if found.column_type.is_list {
            Err(format!("{name} is a list, which has no order"))
        } else {
            Ok(found)
        }
    }

    fn entry_value(&self, name: &str) -> Option<(Source, &Named)> {
        position(&self.entry, name).map(|(number, named)| (Source::OfEntry(number), named))
    }

    /// The number and the type of a value of the entries.
    pub(super) fn find_entry(&self, name: &str) -> Result<(usize, &Named), String> {
        position(&self.entry, name).ok_or_else(|| format!("there is no {name} in [entry]"))
    }

    /// Parses a condition on a row of this scope.
    pub(super) fn condition(&self, text: &str, scope: Scope) -> Result<Condition, String> {
        let (left, operator, right) = Operator::split(text)
            .ok_or_else(|| format!("{text:?} must be NAME OPERATOR NAME, number or 'text'"))?;
        let found = self.find(left, scope)?;
        if found.column_type.is_list {
            return Err(format!("{left} is a list, which cannot be compared"));
        }
        let right = match self.find(right, scope) {
            Ok(other) if kind(other.column_type) == kind(found.column_type) => Operand::Name(other.source),
            Ok(_) => return Err(format!("{left} and {right} have types that cannot be compared")),
            Err(reason) => match literal(right, found.column_type) {
                Some(value) => Operand::Literal(value),
                None if right.starts_with(|c: char| c.is_ascii_alphabetic()) => return Err(reason),
                None => return Err(format!("{right} must be {}", found.column_type.must_be())),
            },
        };
        Ok(Condition { left: Operand::Name(found.source), operator, right })
    }

    /// Parses a text with names in braces.
    pub(super) fn template(&self, text: &str, scope: Scope) -> Result<Vec<Fragment>, String> {
        let (mut fragments, mut rest) = (Vec::new(), text);
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) =
                after.split_once('}').ok_or_else(|| format!("{text:?} has a brace too many"))?;
            fragments.push(Fragment::Text(before.to_owned()));
            let found = self.find(name, scope)?;
            fragments.push(Fragment::Value(found.source, found.column_type.scalar));
            rest = after;
        }
        fragments.push(Fragment::Text(rest.to_owned()));
        Ok(fragments)
    }
}

fn position<'n>(names: &'n [Named], name: &str) -> Option<(usize, &'n Named)> {
    names.iter().enumerate().find(|(_, named)| named.name == name)
}

/// A text in quotes, a number, or `true` and `false`, as a value of this type.
fn literal(text: &str, column_type: ColumnType) -> Option<Value<'static>> {
    let quoted = text.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
    if quoted.is_none() && column_type.scalar == ScalarType::Text {
        return None;
    }
    let mut value = Value::Text(quoted.unwrap_or(text).to_owned().into());
    value.convert(column_type, Origin::Field).then_some(value)
}

/// Types of the same kind can be compared.
fn kind(column_type: ColumnType) -> String {
    match column_type.scalar {
        _ if column_type.is_list => "list".to_owned(),
        ScalarType::Integer { .. } => "integer".to_owned(),
        ScalarType::Float | ScalarType::Double => "float".to_owned(),
        ScalarType::Decimal { scale, .. } => format!("decimal {scale}"),
        other => format!("{other:?}"),
    }
}
