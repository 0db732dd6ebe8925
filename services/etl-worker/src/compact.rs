//! Merges small files into few while readers read and workers write. A reader never sees a row twice or none.

mod bucket;
mod folder;
mod merge;

use std::fmt;

use crate::output::Output;
use crate::part::Codec;
use crate::store::Store;

/// What a compaction did.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Merged {
    /// Files before, in both tables.
    pub files_before: usize,
    /// Files after.
    pub files_after: usize,
    /// Rows that were rewritten.
    pub rows: u64,
    /// Where the merged files are, if the small ones stayed.
    pub snapshot: Option<String>,
}

impl fmt::Display for Merged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { files_before, files_after, rows, snapshot } = self;
        write!(f, "{files_before} files became {files_after}; {rows} rows were rewritten")?;
        snapshot.as_ref().map_or(Ok(()), |snapshot| write!(f, " to {snapshot}"))
    }
}

/// Merges what is committed now.
///
/// # Errors
/// When another compaction of the folder runs, or a file cannot be read or written. Nothing is changed then.
pub async fn run(store: &Store, output: Output, codec: Codec) -> anyhow::Result<Merged> {
    match output {
        Output::Folder(output) => folder::run(store, output, codec).await,
        Output::Bucket(output) => bucket::run(store, &output, codec).await,
    }
}
