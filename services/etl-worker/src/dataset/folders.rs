//! The folders of a table: `[table.partition]`.

use super::definition::FolderKey;
use super::file::InOrder;
use super::names::{Scope, Source};
use super::resolve::Names;
use super::validate::{self, is_same};
use crate::part::MAX_KEYS;
use crate::table::{Column, KeyValue, PartitionKey, ScalarType};

/// Resolves the keys of a table's folders. Empty if they are the default ones, which are those of the parts.
pub(super) fn resolve(file: &InOrder<String>, scope: Scope, names: &Names) -> Result<Vec<FolderKey>, String> {
    if file.0.is_empty() || file.0.len() > MAX_KEYS {
        return Err(format!("a partition has 1 to {MAX_KEYS} keys"));
    }
    let is_default =
        |(name, value): &(toml::Spanned<String>, String)| name.as_ref() == "dt" && value == "day";
    if let [only] = file.0.as_slice()
        && is_default(only)
    {
        return Ok(Vec::new());
    }
    let keys = file.0.iter().map(|(name, value)| {
        let name = name.as_ref().clone();
        validate::name_for_readers("key", &name)?;
        let found = names.find(value, scope);
        let value = match (value.as_str(), found) {
            ("day", Ok(_)) => {
                return Err("day is the day of the message; give the value another name".to_owned());
            }
            ("day", Err(_)) => None,
            (_, found) => Some(found.map_err(|reason| format!("partition {name}: {reason}"))?),
        };
        let is_float = |scalar| matches!(scalar, ScalarType::Float | ScalarType::Double);
        if value.is_some_and(|found| found.column_type.is_list || is_float(found.column_type.scalar)) {
            return Err(format!("partition {name}: a list or a float cannot be the name of a folder"));
        }
        Ok(FolderKey { name, value: value.map(|found| (found.source, found.column_type.scalar)) })
    });
    let keys = keys.collect::<Result<Vec<_>, String>>()?;
    for (place, key) in keys.iter().enumerate() {
        if keys[..place].iter().any(|other| is_same(&other.name, &key.name)) {
            return Err(format!("there are two keys {}", key.name));
        }
    }
    Ok(keys)
}

/// A key of the folders must be no column: many readers fail on one that is both.
pub(super) fn check_columns(keys: &[FolderKey], columns: &[Column]) -> Result<(), String> {
    let is_key = |column: &&Column| match keys {
        [] => is_same(&column.name, "dt"),
        keys => keys.iter().any(|key| is_same(&key.name, &column.name)),
    };
    match columns.iter().find(is_key) {
        Some(Column { name, .. }) => {
            Err(format!("{name} is a key in the names of folders, and cannot be a column too"))
        }
        None => Ok(()),
    }
}

/// Where the values of the keys are found in a file.
pub(super) fn in_files(keys: &[FolderKey], columns: &[Source]) -> Vec<PartitionKey> {
    let value = |key: &FolderKey| match key.value {
        None => KeyValue::Day,
        Some((source, _)) => {
            columns.iter().position(|column| *column == source).map_or(KeyValue::Unknown, KeyValue::Column)
        }
    };
    keys.iter().map(|key| PartitionKey { name: key.name.clone(), value: value(key) }).collect()
}
