//! A dataset file as it is written.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use toml::Spanned;

use super::keys::{Cleanup, EndOfSession, Keys, LostSessions};
use super::names::{Scope, Words};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) name: Spanned<String>,
    #[serde(default)]
    pub(super) words: Words,
    pub(super) end: Spanned<EndOfSession>,
    pub(super) keys: Spanned<Keys>,
    pub(super) members: Option<Spanned<MemberCount>>,
    pub(super) lost: Option<Spanned<LostSessions>>,
    pub(super) cleanup: Option<Spanned<Cleanup>>,
    #[serde(default)]
    pub(super) session: InOrder<DefinitionFile>,
    #[serde(default)]
    pub(super) member: InOrder<DefinitionFile>,
    #[serde(default)]
    pub(super) entry: InOrder<EntryFile>,
    #[serde(default)]
    pub(super) check: Vec<Spanned<CheckFile>>,
    pub(super) table: Vec<Spanned<TableFile>>,
}

/// How many members a session must have.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct MemberCount {
    pub(super) least: usize,
    pub(super) most: usize,
}

impl Default for MemberCount {
    fn default() -> Self {
        Self { least: 0, most: 100_000 }
    }
}

/// A value of each member, or of the session. It has exactly one of `field`, `count`, `sum`, `min`, `max`, `first`, `rank`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DefinitionFile {
    #[serde(rename = "type")]
    pub(super) column_type: String,
    #[serde(default)]
    pub(super) nullable: bool,
    pub(super) field: Option<String>,
    pub(super) count: Option<bool>,
    pub(super) sum: Option<String>,
    pub(super) min: Option<String>,
    pub(super) max: Option<String>,
    /// A condition: the number of the first entry for which it holds.
    pub(super) first: Option<String>,
    pub(super) rank: Option<Vec<RankFile>>,
    /// The value of an entry that names the member.
    pub(super) of: Option<String>,
    /// A condition: which entries count.
    #[serde(rename = "if")]
    pub(super) condition: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RankFile {
    pub(super) by: String,
    pub(super) least: Option<i64>,
    #[serde(rename = "if")]
    pub(super) condition: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EntryFile {
    pub(super) path: String,
    #[serde(rename = "type")]
    pub(super) column_type: String,
    #[serde(default)]
    pub(super) nullable: bool,
    #[serde(default)]
    pub(super) member: bool,
}

/// A condition of each entry, each member or the session, and what is wrong otherwise.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CheckFile {
    pub(super) entry: Option<String>,
    pub(super) member: Option<String>,
    pub(super) session: Option<String>,
    pub(super) otherwise: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TableFile {
    pub(super) name: String,
    #[serde(default = "first_version")]
    pub(super) version: u32,
    pub(super) rows: Scope,
    pub(super) sort: Option<String>,
    /// The keys of the folders, and the values that they stand for.
    pub(super) partition: Option<InOrder<String>>,
    pub(super) columns: InOrder<String>,
}

fn first_version() -> u32 {
    1
}

/// The entries of a TOML table in the order in which they are written, with the places of their names.
#[derive(Debug)]
pub(super) struct InOrder<T>(pub(super) Vec<(Spanned<String>, T)>);

impl<T> Default for InOrder<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for InOrder<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
            type Value = InOrder<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<InOrder<T>, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(InOrder(entries))
            }
        }
        deserializer.deserialize_map(Entries(PhantomData))
    }
}
