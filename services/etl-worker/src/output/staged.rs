use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::error::OutputError;
use crate::part::Part;
use crate::table::{self, Rows, Table, Tables};

/// The content of a part: its rows in each table, and there in each folder.
pub struct PartContent {
    /// The part.
    pub part: Part,
    /// The rows by the number of their table and their folder.
    rows: BTreeMap<(usize, String), Rows>,
}

impl PartContent {
    /// The rows of some games.
    pub fn new<'a>(part: Part, tables: &Tables, games: impl IntoIterator<Item = &'a [Rows]>) -> Self {
        let without_partitions = tables.iter().enumerate().filter(|(_, table)| table.partition().is_empty());
        let mut content = BTreeMap::new();
        content
            .extend(without_partitions.map(|(n, table)| ((n, String::new()), Rows::new(Arc::clone(table)))));
        for rows in games.into_iter().flatten() {
            let Some(number) = tables.iter().position(|table| table.name() == rows.table.name()) else {
                continue;
            };
            let empty = || Rows::in_folder(Arc::clone(&rows.table), rows.folder.clone());
            content.entry((number, rows.folder.clone())).or_insert_with(empty).append(rows);
        }
        Self { part, rows: content }
    }

    /// The files, without their bytes: what others refer to comes first.
    pub(super) fn files(&self) -> Vec<StagedFile> {
        let file = |rows: &Rows| StagedFile {
            table: Arc::clone(&rows.table),
            path: self.part.path_in(&rows.folder),
            bytes: Vec::new(),
        };
        self.rows.values().map(file).collect()
    }

    /// The files with their bytes.
    pub(super) fn encode(&self) -> Result<Vec<StagedFile>, OutputError> {
        let codec = self.part.codec();
        let encode = |(file, rows): (StagedFile, &Rows)| match table::encode(rows, codec) {
            Ok(bytes) => Ok(StagedFile { bytes, ..file }),
            Err(error) => Err(OutputError::new("encode rows", error)),
        };
        self.files().into_iter().zip(self.rows.values()).map(encode).collect()
    }
}

/// Files that are staged but not published.
pub struct Staged {
    /// Unique in this process, so that the files of a second attempt do not collide with those of the first.
    pub(super) id: u64,
    /// The parts and their files.
    pub(super) parts: BTreeMap<Part, Vec<StagedFile>>,
}

/// A file of a part.
pub(super) struct StagedFile {
    pub(super) table: Arc<Table>,
    /// Its path in the table's folder.
    pub(super) path: String,
    /// For a bucket, its bytes; a folder has them on disk already.
    pub(super) bytes: Vec<u8>,
}

impl Staged {
    pub(super) fn new(parts: BTreeMap<Part, Vec<StagedFile>>) -> Self {
        static NEXT_ID: AtomicU64 = AtomicU64::new(0);
        Self { id: NEXT_ID.fetch_add(1, Ordering::Relaxed), parts }
    }
}
