//! Resolves the values of members and of the session.

use super::condition::Condition;
use super::definition::{Definition, How, RankKey, Total, TotalKind};
use super::file::DefinitionFile;
use super::names::{Scope, Source};
use super::resolve::Names;
use crate::table::{ColumnType, Origin, ScalarType, Value};

/// Resolves a value. `fields` collects the fields that are read.
pub(super) fn definition(
    name: &str,
    file: &DefinitionFile,
    scope: Scope,
    names: &Names,
    fields: &mut Vec<String>,
) -> Result<Definition, String> {
    let column_type = parse_type(&file.column_type)?;
    let (scalar, is_nullable) = (column_type.scalar, file.nullable);
    let is_integer = !column_type.is_list && matches!(scalar, ScalarType::Integer { .. });
    let nullable =
        |what: &str| if is_nullable { Ok(()) } else { Err(format!("{what} needs nullable = true")) };
    let DefinitionFile { field, count, sum, min, max, first, rank, of, condition, .. } = file;
    let kinds = [
        field.is_some(),
        count.is_some(),
        sum.is_some(),
        min.is_some(),
        max.is_some(),
        first.is_some(),
        rank.is_some(),
    ];
    if kinds.iter().filter(|is_given| **is_given).count() != 1 || *count == Some(false) {
        return Err("must have one of field, count = true, sum, min, max, first, rank".to_owned());
    }
    let same_type = |entry: &str| match names.find_entry(entry)? {
        (number, named) if named.column_type == column_type && !column_type.is_list => Ok(number),
        (_, named) => Err(format!("has another type than {}", named.name)),
    };
    let mut condition = condition.as_deref();
    let kind = if let Some(field) = field {
        if of.is_some() || condition.is_some() {
            return Err("a field has no of and no if".to_owned());
        }
        let number = fields.iter().position(|known| known == field).unwrap_or_else(|| {
            fields.push(field.clone());
            fields.len() - 1
        });
        let how = How::Field(field.clone(), number);
        return Ok(Definition { name: name.to_owned(), column_type, is_nullable, how });
    } else if let Some(rank) = rank {
        if scope != Scope::Member || !is_integer || of.is_some() || condition.is_some() {
            return Err("a rank is a whole number, of members, without of and if".to_owned());
        }
        if rank.is_empty() {
            return Err("a rank needs something to rank by".to_owned());
        }
        let own_place = names.member.iter().position(|named| named.name == name).unwrap_or_default();
        let keys = rank.iter().map(|key| {
            let by = names.find_ordered(&key.by, scope)?;
            let least = key.least.map(|least| {
                let mut value = Value::Integer(least.into());
                let is_one = value.convert(by.column_type, Origin::Json);
                is_one.then_some(value).ok_or_else(|| format!("least must be {}", by.column_type.must_be()))
            });
            let condition = key.condition.as_deref().map(|text| names.condition(text, scope));
            let condition = condition.transpose()?;
            // Ranks are computed in the order in which they are written.
            let is_later_rank = |source: &Source| match source {
                Source::OfMember(place) => *place >= own_place && names.member[*place].is_rank,
                _ => false,
            };
            if condition.iter().flat_map(Condition::sources).chain([by.source]).any(|s| is_later_rank(&s)) {
                return Err("a rank that is used here is not known yet".to_owned());
            }
            Ok(RankKey { by: by.source, least: least.transpose()?, condition })
        });
        let how = How::Rank(keys.collect::<Result<_, String>>()?);
        return Ok(Definition { name: name.to_owned(), column_type, is_nullable, how });
    } else if let Some(sum) = sum {
        let (number, named) = names.find_entry(sum)?;
        let can_be_added = match (named.column_type.scalar, scalar) {
            _ if named.column_type.is_list || column_type.is_list => false,
            (ScalarType::Integer { .. }, ScalarType::Integer { .. }) => true,
            (ScalarType::Decimal { scale, .. }, ScalarType::Decimal { scale: of_sum, .. }) => scale == of_sum,
            (from, to) => from == to && matches!(from, ScalarType::Float | ScalarType::Double),
        };
        if !can_be_added {
            return Err(format!("{sum} cannot be added up in {}", file.column_type));
        }
        TotalKind::Sum(number)
    } else if let Some(min) = min {
        nullable("min")?;
        TotalKind::Least(same_type(min)?)
    } else if let Some(max) = max {
        nullable("max")?;
        TotalKind::Most(same_type(max)?)
    } else {
        if !is_integer {
            return Err("a count is a whole number".to_owned());
        }
        match first {
            Some(first) if condition.is_none() => {
                nullable("first")?;
                condition = Some(first);
                TotalKind::First
            }
            Some(_) => return Err("first has no if: it is a condition itself".to_owned()),
            None => TotalKind::Count,
        }
    };
    let of = match (scope, of) {
        (Scope::Member, Some(of)) => match names.find_entry(of)? {
            (number, named) if named.is_member => Some(number),
            _ => return Err(format!("{of} needs member = true")),
        },
        (Scope::Member, None) => {
            return Err("needs of: the value of an entry that names the member".to_owned());
        }
        (_, Some(_)) => return Err("of has no meaning here: all entries are the session's".to_owned()),
        (_, None) => None,
    };
    let condition = condition.map(|text| names.condition(text, Scope::Entry)).transpose()?;
    let how = How::Total(Total { kind, of, condition });
    Ok(Definition { name: name.to_owned(), column_type, is_nullable, how })
}

/// Parses the name of a type.
pub(super) fn parse_type(name: &str) -> Result<ColumnType, String> {
    ColumnType::parse(name).ok_or_else(|| {
        format!(
            "{name:?} is no type; there are string, bool, int8 to int64, uint8 to uint64, float32, float64, \
             decimal(P,S), timestamp, and list<…> of these"
        )
    })
}
