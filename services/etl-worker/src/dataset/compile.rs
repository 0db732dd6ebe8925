//! Checks a dataset file and resolves its names.

use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;

use super::definition::{Check, Definition, EntryValue, How, Plan, TablePlan};
use super::error::DatasetError;
use super::file::{CheckFile, DefinitionFile, File, InOrder, TableFile};
use super::folders;
use super::json_paths::JsonPaths;
use super::keys::Keys;
use super::model::Dataset;
use super::names::Scope;
use super::resolve::{Named, Names};
use super::totals;
use super::validate::{self, is_same};
use crate::table::{Column, Table};

/// The dataset that `text` describes. `file` names it in errors.
pub(super) fn dataset(file: &str, text: &str) -> Result<Dataset, DatasetError> {
    let line = |span: Range<usize>| text[..span.start.min(text.len())].matches('\n').count() + 1;
    let parsed: File = toml::from_str(text).map_err(|error| {
        DatasetError::new(file, error.span().map(line), error.message().replace('\n', " "))
    })?;
    compile(parsed).map_err(|(span, reason)| DatasetError::new(file, Some(line(span)), reason))
}

/// The place of a mistake, and what it is.
type Mistake = (Range<usize>, String);

fn compile(file: File) -> Result<Dataset, Mistake> {
    let at = |span: Range<usize>| move |reason: String| (span, reason);
    validate::name(file.name.as_ref()).map_err(at(file.name.span()))?;
    validate::words(&file.words).map_err(at(file.name.span()))?;
    validate::end(file.end.as_ref()).map_err(at(file.end.span()))?;
    validate::keys(file.keys.as_ref()).map_err(at(file.keys.span()))?;
    if let Some(members) = &file.members {
        validate::members(members.as_ref(), file.keys.as_ref()).map_err(at(members.span()))?;
    }
    if let Some(lost) = &file.lost {
        validate::lost(lost.as_ref()).map_err(at(lost.span()))?;
    }
    if let Some(cleanup) = &file.cleanup {
        validate::cleanup(cleanup.as_ref(), file.keys.as_ref()).map_err(at(cleanup.span()))?;
    }
    let keys = file.keys.into_inner();

    let (mut paths, mut entry, mut names) = (JsonPaths::default(), Vec::new(), Names::default());
    for (number, (name, value)) in file.entry.0.into_iter().enumerate() {
        let column_type = totals::parse_type(&value.column_type).map_err(at(name.span()))?;
        if !paths.add(&value.path, number) {
            return Err(at(name.span())(format!(
                "the path {:?} is empty, or overlaps another one",
                value.path
            )));
        }
        if value.member && (value.column_type != "string" || value.nullable) {
            return Err(at(name.span())("a member is a string, and never null".to_owned()));
        }
        names.entry.push(Named {
            name: check_name(&name)?,
            column_type,
            is_nullable: value.nullable,
            is_known_early: true,
            is_member: value.member,
            is_rank: false,
        });
        let name = name.into_inner();
        entry.push(EntryValue { name, column_type, is_nullable: value.nullable, is_member: value.member });
    }
    names.member = declared(&file.member)?;
    names.session = declared(&file.session)?;
    let (mut member_fields, mut session_fields) = (Vec::new(), Vec::new());
    let member = definitions(&file.member, Scope::Member, &names, &mut member_fields)?;
    let session = definitions(&file.session, Scope::Session, &names, &mut session_fields)?;
    let adds_up = |definition: &Definition| matches!(definition.how, How::Total(_));
    let missing = [
        (!member.is_empty() && keys.members.is_none(), "[member] needs keys.members"),
        (!member_fields.is_empty() && keys.member.is_none(), "the fields in [member] need keys.member"),
        (!session_fields.is_empty() && keys.session.is_none(), "the fields in [session] need keys.session"),
        (!entry.is_empty() && keys.entries.is_none(), "[entry] needs keys.entries"),
        (
            keys.entries.is_none() && session.iter().any(adds_up),
            "what adds entries up needs keys.entries: without it there is nothing to add up",
        ),
    ];
    if let Some((_, reason)) = missing.iter().find(|(is_missing, _)| *is_missing) {
        return Err(at(file.name.span())((*reason).to_owned()));
    }
    let checks = file.check.iter().map(|check| self::check(check.as_ref(), &names).map_err(at(check.span())));
    let checks = checks.collect::<Result<_, _>>()?;
    let (mut tables, mut plans) = (Vec::<Arc<Table>>::new(), Vec::new());
    for table in file.table {
        let span = table.span();
        let (table, plan) = self::table(table.into_inner(), &names, &keys).map_err(at(span.clone()))?;
        if let Some(other) = tables.iter().find(|other| is_same(other.name(), table.name())) {
            return Err(at(span)(format!(
                "the tables {} and {} differ in case only",
                other.name(),
                table.name()
            )));
        }
        tables.push(Arc::new(table));
        plans.push(plan);
    }
    let members = file.members.map(Spanned::into_inner).unwrap_or_default();
    if tables.is_empty() {
        return Err(at(file.name.span())("there must be a [[table]]".to_owned()));
    }
    Ok(Dataset {
        name: file.name.into_inner(),
        words: file.words,
        end: file.end.into_inner(),
        keys,
        lost: file.lost.map(Spanned::into_inner),
        cleanup: file.cleanup.map(Spanned::into_inner).unwrap_or_default(),
        member_fields,
        session_fields,
        tables: tables.into(),
        member_count: members.least..=members.most,
        plan: Plan { paths, entry, member, session, checks, tables: plans },
    })
}

/// A name that can be the name of a value.
fn check_name(name: &Spanned<String>) -> Result<String, Mistake> {
    let text = name.as_ref();
    let is_valid = !text.is_empty() && text.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_');
    match text.as_str() {
        "token" | "member" | "number" => Err((name.span(), format!("{text} has a meaning of its own"))),
        _ if is_valid => Ok(text.clone()),
        _ => Err((name.span(), format!("{text:?} must be letters, digits and _"))),
    }
}

/// The names and types of values, which may refer to each other.
fn declared(definitions: &InOrder<DefinitionFile>) -> Result<Vec<Named>, Mistake> {
    let declared = definitions.0.iter().map(|(name, definition)| {
        let column_type =
            totals::parse_type(&definition.column_type).map_err(|reason| (name.span(), reason))?;
        let is_known_early = definition.field.is_some();
        Ok(Named {
            name: check_name(name)?,
            column_type,
            is_nullable: definition.nullable,
            is_known_early,
            is_member: false,
            is_rank: definition.rank.is_some(),
        })
    });
    declared.collect()
}

fn definitions(
    definitions: &InOrder<DefinitionFile>,
    scope: Scope,
    names: &Names,
    fields: &mut Vec<String>,
) -> Result<Vec<Definition>, Mistake> {
    let resolve = |(name, definition): &(Spanned<String>, DefinitionFile)| {
        totals::definition(name.as_ref(), definition, scope, names, fields)
            .map_err(|reason| (name.span(), format!("{}: {reason}", name.as_ref())))
    };
    definitions.0.iter().map(resolve).collect()
}

fn check(check: &CheckFile, names: &Names) -> Result<Check, String> {
    let (scope, condition) = match (&check.entry, &check.member, &check.session) {
        (Some(entry), None, None) => (Scope::Entry, entry),
        (None, Some(member), None) => (Scope::Member, member),
        (None, None, Some(session)) => (Scope::Session, session),
        _ => return Err("a check is of entry, member or session".to_owned()),
    };
    let condition = names.condition(condition, scope)?;
    Ok(Check { scope, condition, otherwise: names.template(&check.otherwise, scope)? })
}

fn table(file: TableFile, names: &Names, keys: &Keys) -> Result<(Table, TablePlan), String> {
    validate::table_name(&file.name)?;
    let has_rows = match file.rows {
        Scope::Session => true,
        Scope::Member => keys.members.is_some(),
        Scope::Entry => keys.entries.is_some(),
    };
    if !has_rows || file.columns.0.is_empty() {
        return Err(format!("{}: there are no keys for its rows, or it has no columns", file.name));
    }
    let (mut columns, mut sources) = (Vec::new(), Vec::new());
    for (column, name) in &file.columns.0 {
        let found =
            names.find(name, file.rows).map_err(|reason| format!("column {}: {reason}", column.as_ref()))?;
        validate::name_for_readers("column", column.as_ref())?;
        if let Some(Column { name: other, .. }) =
            columns.iter().find(|other: &&Column| is_same(&other.name, column.as_ref()))
        {
            return Err(format!("the columns {other} and {} differ in case only", column.as_ref()));
        }
        let name = column.as_ref().clone();
        columns.push(Column { name, column_type: found.column_type, is_nullable: found.is_nullable });
        sources.push(found.source);
    }
    let sort = match &file.sort {
        Some(_) if file.rows != Scope::Member => return Err("only rows of members can be sorted".to_owned()),
        Some(name) => Some(names.find_ordered(name, file.rows)?.source),
        None => None,
    };
    let partition = match &file.partition {
        Some(partition) => folders::resolve(partition, file.rows, names)?,
        None => Vec::new(),
    };
    folders::check_columns(&partition, &columns)?;
    let table = Table::new(&file.name, file.version, columns).map_err(|error| error.to_string())?;
    let table = table.partitioned_by(folders::in_files(&partition, &sources));
    Ok((table, TablePlan { rows: file.rows, sort, partition, columns: sources }))
}
