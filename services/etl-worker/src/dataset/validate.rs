//! Checks the parts of a dataset file that name no values.

use super::file::MemberCount;
use super::keys::{Cleanup, EndOfSession, KeyPattern, Keys, LostSessions};
use super::names::Words;

/// The name of a dataset, which is part of the names of our keys.
pub(super) fn name(name: &str) -> Result<(), String> {
    let is_allowed = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    if !(1..=32).contains(&name.len()) || !name.bytes().all(is_allowed) {
        return Err("name must be 1 to 32 of a-z 0-9 -".to_owned());
    }
    // `etl:game:jobs` is what superhero knows of the game `jobs`.
    if ["game", "part", "settling"].contains(&name) {
        return Err(format!("the name {name} is part of the names of other datasets' keys"));
    }
    Ok(())
}

/// What things are called.
pub(super) fn words(words: &Words) -> Result<(), String> {
    let Words { session, member, entry } = words;
    let is_empty = [session, member, entry].iter().any(|word| word.trim().is_empty());
    if is_empty { Err("words must not be empty".to_owned()) } else { Ok(()) }
}

/// The message that says that a session ended.
pub(super) fn end(end: &EndOfSession) -> Result<(), String> {
    if end.channels.is_empty() || end.channels.iter().any(String::is_empty) {
        return Err("channels must name a channel".to_owned());
    }
    if end.when.is_empty() {
        return Err(
            "when must have a path and its text: every message would be the end of a session".to_owned()
        );
    }
    let has_empty_name = |path: &&String| path.split('.').any(str::is_empty);
    match end.when.keys().chain([&end.token]).find(has_empty_name) {
        Some(path) => Err(format!("the path {path:?} has an empty name in it")),
        None => Ok(()),
    }
}

/// How many members a session must have.
pub(super) fn members(count: &MemberCount, keys: &Keys) -> Result<(), String> {
    if keys.members.is_none() {
        return Err("[members] needs keys.members".to_owned());
    }
    if count.least > count.most {
        return Err("least is greater than most: every session would be a bad one".to_owned());
    }
    Ok(())
}

/// The keys of the records.
pub(super) fn keys(keys: &Keys) -> Result<(), String> {
    let Keys { members, member, session, entries } = keys;
    for pattern in [members, session, entries].into_iter().flatten() {
        must_have(pattern, &["{token}"])?;
    }
    match member {
        Some(_) if members.is_none() => Err("member needs members".to_owned()),
        Some(pattern) => must_have(pattern, &["{token}", "{member}"]),
        None if [members, session, entries].iter().all(|key| key.is_none()) => {
            Err("there must be members, session or entries".to_owned())
        }
        None => Ok(()),
    }
}

/// How sessions are found whose message was lost.
pub(super) fn lost(lost: &LostSessions) -> Result<(), String> {
    if lost.index.is_empty() || lost.index.contains(['{', '}']) {
        return Err("index must be a key, without braces".to_owned());
    }
    must_be_foreign(&lost.index)?;
    must_have(&lost.key, &["{token}"])
}

/// What happens to the records afterwards.
pub(super) fn cleanup(cleanup: &Cleanup, keys: &Keys) -> Result<(), String> {
    let of_members = |pattern: &&KeyPattern| keys.member.as_ref() == Some(*pattern);
    for pattern in cleanup
        .expire
        .iter()
        .filter(|pattern| !of_members(pattern))
        .chain(&cleanup.delete)
        .chain(&cleanup.count)
    {
        must_have(pattern, &["{token}"])?;
    }
    for pattern in &cleanup.lists {
        must_have(pattern, if pattern.around_count().is_some() { &["{count}"] } else { &[] })?;
    }
    Ok(())
}

fn must_have(pattern: &KeyPattern, placeholders: &[&str]) -> Result<(), String> {
    must_be_foreign(pattern.as_str())?;
    if pattern.has_exactly(placeholders) {
        return Ok(());
    }
    let must_have = if placeholders.is_empty() { "no braces".to_owned() } else { placeholders.join(" and ") };
    Err(format!("the key {:?} must have {must_have} in it, each once", pattern.as_str()))
}

/// A key of ours must not be read, and still less be removed.
fn must_be_foreign(key: &str) -> Result<(), String> {
    if key.starts_with("etl:") {
        return Err(format!("the key {key:?}: keys that begin with etl: are etl-worker's own"));
    }
    Ok(())
}

/// The name of a table, which is that of a folder.
pub(super) fn table_name(name: &str) -> Result<(), String> {
    if !is_name(name) {
        return Err(format!("the name of the table, {name:?}, must be 1 to 64 letters, digits and _"));
    }
    // Spark and pyarrow do not look into folders and files whose names begin with _.
    if name.starts_with('_') {
        return Err(format!("the name of the table, {name}, must begin with a letter or a digit"));
    }
    if is_same(name, "COMPACTED") {
        return Err("COMPACTED is the folder of the snapshots, and cannot be a table".to_owned());
    }
    Ok(())
}

/// The name of a column, or of a key in the names of folders.
pub(super) fn name_for_readers(what: &str, name: &str) -> Result<(), String> {
    if is_name(name) { Ok(()) } else { Err(format!("{what} {name:?} must be 1 to 64 letters, digits and _")) }
}

fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_')
}

/// Whether readers take two names for the same: Spark, DuckDB and Hive do not tell upper and lower case apart.
pub(crate) fn is_same(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}
