use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use super::error::OutputError;
use crate::part::Part;
use crate::table::{self, Rows, Tables};

/// The content of a part: its rows in each table.
pub struct PartContent {
    /// The part.
    pub part: Part,
    /// The rows of each table, in the order of the tables.
    pub tables: Vec<Rows>,
}

impl PartContent {
    /// The rows of some games.
    pub fn new<'a>(part: Part, tables: &Tables, games: impl IntoIterator<Item = &'a [Rows]>) -> Self {
        let mut tables: Vec<Rows> = tables.iter().cloned().map(Rows::new).collect();
        for of_game in games {
            for (table, rows) in tables.iter_mut().zip(of_game) {
                table.append(rows);
            }
        }
        Self { part, tables }
    }

    /// Encodes the file of each table.
    pub(super) fn encode(&self) -> Result<Vec<Vec<u8>>, OutputError> {
        let codec = self.part.codec();
        let encode =
            |rows| table::encode(rows, codec).map_err(|error| OutputError::new("encode rows", error));
        self.tables.iter().map(encode).collect()
    }
}

/// Files that are staged but not published.
pub struct Staged {
    /// Unique in this process, so that the files of a second attempt do not collide with those of the first.
    pub(super) id: u64,
    /// The parts. For a bucket, the bytes of their files are kept here; a folder has them on disk already.
    pub(super) files: BTreeMap<Part, Vec<Vec<u8>>>,
}

impl Staged {
    /// Files whose bytes are on disk.
    pub(super) fn on_disk(parts: impl IntoIterator<Item = Part>) -> Self {
        Self::in_memory(parts.into_iter().map(|part| (part, Default::default())).collect())
    }

    /// Files whose bytes are in memory.
    pub(super) fn in_memory(files: BTreeMap<Part, Vec<Vec<u8>>>) -> Self {
        static NEXT_ID: AtomicU64 = AtomicU64::new(0);
        Self { id: NEXT_ID.fetch_add(1, Ordering::Relaxed), files }
    }
}
