//! What a dataset computes, with every name resolved.

use super::condition::Condition;
use super::json_paths::JsonPaths;
use super::names::{Scope, Source};
use crate::table::{ColumnType, ScalarType, Value};

/// What is computed of a session.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) paths: JsonPaths,
    pub(super) entry: Vec<EntryValue>,
    pub(super) member: Vec<Definition>,
    pub(super) session: Vec<Definition>,
    pub(super) checks: Vec<Check>,
    /// What each table has, in the order of the tables.
    pub(super) tables: Vec<TablePlan>,
}

/// A value of each entry.
#[derive(Debug)]
pub(super) struct EntryValue {
    pub(super) name: String,
    pub(super) column_type: ColumnType,
    pub(super) is_nullable: bool,
    /// Whether it must be a member.
    pub(super) is_member: bool,
}

/// A value of each member, or of the session.
#[derive(Debug)]
pub(super) struct Definition {
    pub(super) name: String,
    pub(super) column_type: ColumnType,
    pub(super) is_nullable: bool,
    pub(super) how: How,
}

#[derive(Debug)]
pub(super) enum How {
    /// The field of the hash with this name and number among those that are read.
    Field(String, usize),
    /// Adds entries up.
    Total(Total),
    /// The place among the members, by the first key, then by the next.
    Rank(Vec<RankKey>),
}

#[derive(Debug)]
pub(super) struct Total {
    pub(super) kind: TotalKind,
    /// The value of the entry that names the member whose total this is. `None` for the session.
    pub(super) of: Option<usize>,
    /// Which entries count.
    pub(super) condition: Option<Condition>,
}

/// The numbers are those of values of the entry.
#[derive(Debug, Clone, Copy)]
pub(super) enum TotalKind {
    Count,
    Sum(usize),
    Least(usize),
    Most(usize),
    /// The number of the first entry.
    First,
}

#[derive(Debug)]
pub(super) struct RankKey {
    pub(super) by: Source,
    /// What is less counts as this.
    pub(super) least: Option<Value<'static>>,
    /// Otherwise the value counts as not there, which is last.
    pub(super) condition: Option<Condition>,
}

#[derive(Debug)]
pub(super) struct Check {
    pub(super) scope: Scope,
    pub(super) condition: Condition,
    /// What is wrong if it does not hold: texts, and values between them.
    pub(super) otherwise: Vec<Fragment>,
}

#[derive(Debug)]
pub(super) enum Fragment {
    Text(String),
    Value(Source, ScalarType),
}

#[derive(Debug)]
pub(super) struct TablePlan {
    pub(super) rows: Scope,
    pub(super) sort: Option<Source>,
    /// The keys of the folders. None if the files are in the folders of their parts.
    pub(super) partition: Vec<FolderKey>,
    pub(super) columns: Vec<Source>,
}

/// A key in the name of a folder.
#[derive(Debug)]
pub(super) struct FolderKey {
    pub(super) name: String,
    /// `None` if it is the day of the message.
    pub(super) value: Option<(Source, ScalarType)>,
}

impl Definition {
    /// The value before the first entry.
    pub(super) fn initial(&self) -> Value<'static> {
        use crate::table::ScalarType::{Double, Float};
        match &self.how {
            How::Total(Total { kind: TotalKind::Count | TotalKind::Sum(_), .. }) => {
                let is_float = matches!(self.column_type.scalar, Float | Double);
                if is_float { Value::Float(0.0) } else { Value::Integer(0) }
            }
            _ => Value::Null,
        }
    }
}
