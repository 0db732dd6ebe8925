use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use super::error::OutputError;
use crate::game::Row;
use crate::part::Part;
use crate::table::{self, Rows, Table};

/// The content of a part: its rows in each table.
pub struct PartContent {
    /// The part.
    pub part: Part,
    /// The rows per table, in the order of [`Table::ALL`].
    pub tables: [Rows; 2],
}

impl PartContent {
    /// The rows of some games.
    pub fn new<'a>(part: Part, games: impl IntoIterator<Item = (&'a str, &'a [Row])>) -> Self {
        let mut tables = Table::ALL.map(Rows::new);
        for (game, rows) in games {
            for table in &mut tables {
                table.add(game, rows);
            }
        }
        Self { part, tables }
    }

    /// Encodes the file of each table.
    pub(super) fn encode(&self) -> Result<[Vec<u8>; 2], OutputError> {
        let codec = self.part.codec();
        let encode =
            |rows| table::encode(rows, codec).map_err(|error| OutputError::new("encode rows", error));
        let [meta, podium] = &self.tables;
        Ok([encode(meta)?, encode(podium)?])
    }
}

/// Files that are staged but not published.
pub struct Staged {
    /// Unique in this process, so that the files of a second attempt do not collide with those of the first.
    pub(super) id: u64,
    /// The parts. For a bucket, the bytes of their files are kept here; a folder has them on disk already.
    pub(super) files: BTreeMap<Part, [Vec<u8>; 2]>,
}

impl Staged {
    /// Files whose bytes are on disk.
    pub(super) fn on_disk(parts: impl IntoIterator<Item = Part>) -> Self {
        Self::in_memory(parts.into_iter().map(|part| (part, Default::default())).collect())
    }

    /// Files whose bytes are in memory.
    pub(super) fn in_memory(files: BTreeMap<Part, [Vec<u8>; 2]>) -> Self {
        static NEXT_ID: AtomicU64 = AtomicU64::new(0);
        Self { id: NEXT_ID.fetch_add(1, Ordering::Relaxed), files }
    }
}
