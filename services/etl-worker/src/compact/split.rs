use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use anyhow::anyhow;
use parquet::file::reader::ChunkReader;

use super::merge::{MergeOutput, Merger};
use crate::part::Codec;
use crate::table::{Reader, Rows, Table};

/// Distributes the rows of files that are in no partition of their table over the folders that they belong to. It holds the
/// rows of one row group per open folder in memory.
pub(super) struct Split<O: MergeOutput> {
    table: Arc<Table>,
    codec: Codec,
    open: BTreeMap<String, (Merger<O::File>, O)>,
    /// The folders that are complete, and their files. A folder may be there several times.
    pub(super) complete: Vec<(String, O)>,
    /// All rows that were distributed.
    pub(super) rows: u64,
}

impl<O: MergeOutput> Split<O> {
    pub(super) fn new(table: &Arc<Table>, codec: Codec) -> Self {
        Self { table: Arc::clone(table), codec, open: BTreeMap::new(), complete: Vec::new(), rows: 0 }
    }

    /// Adds a file of games whose messages are of this day. `output` is for the files of a folder.
    pub(super) fn add<R: ChunkReader + 'static>(
        &mut self,
        file: R,
        day: &str,
        output: impl Fn(&str) -> anyhow::Result<O>,
    ) -> anyhow::Result<()> {
        let reader = Reader::new(file, &self.table)?;
        let mut rows = Rows::new(Arc::clone(&self.table));
        for group in 0..reader.group_count() {
            rows.clear();
            reader.read(group, &mut rows)?;
            for (folder, rows) in self.table.split(&rows, day).map_err(|reason| anyhow!(reason))? {
                if !self.open.contains_key(&folder) && self.open.len() >= MAX_OPEN {
                    self.finish()?;
                }
                let (merger, output) = match self.open.entry(folder) {
                    Entry::Occupied(open) => open.into_mut(),
                    Entry::Vacant(new) => {
                        let output = output(new.key())?;
                        new.insert((Merger::new(&self.table, self.codec), output))
                    }
                };
                merger.add_rows(&rows, output)?;
            }
        }
        Ok(())
    }

    /// Completes the files of all folders.
    pub(super) fn finish(&mut self) -> anyhow::Result<()> {
        while let Some((folder, (merger, mut output))) = self.open.pop_first() {
            self.rows += merger.finish(&mut output)?;
            self.complete.push((folder, output));
        }
        Ok(())
    }
}

/// Folders whose files are written at a time.
const MAX_OPEN: usize = 64;
