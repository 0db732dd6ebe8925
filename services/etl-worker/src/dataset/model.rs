use std::ops::RangeInclusive;

use redis_core::{Key, Layout};

use super::definition::Plan;
use super::keys::{Cleanup, EndOfSession, Keys, LostSessions};
use super::names::Words;
use crate::table::Tables;

/// A dataset.
#[derive(Debug)]
pub struct Dataset {
    /// Its name.
    pub name: String,
    /// What the things of it are called.
    pub words: Words,
    /// The message that says that a session ended.
    pub end: EndOfSession,
    /// Where the records of a session are.
    pub keys: Keys,
    /// How sessions are found whose message was lost.
    pub lost: Option<LostSessions>,
    /// What happens to the records after the commit, if they are removed.
    pub cleanup: Cleanup,
    /// The fields of the hash of each member that are read.
    pub member_fields: Vec<String>,
    /// The fields of the hash of the session that are read.
    pub session_fields: Vec<String>,
    /// The tables.
    pub tables: Tables,
    pub(super) member_count: RangeInclusive<usize>,
    pub(super) plan: Plan,
}

impl Dataset {
    /// A key of ours. Each dataset has its own; those of the first dataset that there was have no name in them.
    pub fn key(&self, key: Key, layout: Layout) -> String {
        let name = key.name(layout);
        if self.name == SUPERHERO {
            return name;
        }
        match layout {
            Layout::One => name.replacen("etl:", &format!("etl:{}:", self.name), 1),
            Layout::Cluster => name.replacen("{etl}:", &format!("{{etl:{}}}:", self.name), 1),
        }
    }
}

/// The dataset that is built in.
pub const SUPERHERO: &str = "superhero";
