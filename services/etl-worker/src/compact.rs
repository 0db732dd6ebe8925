//! The command `compact`: merges small files into large ones while readers read and workers write. A reader never sees a
//! row twice, and never misses one.

mod bucket;
mod folder;
mod merge;
mod merged_files;
mod report;

use crate::output::Output;
use crate::part::Codec;
use crate::store::Store;

pub use report::CompactionReport;

/// Merges the files that are committed now.
///
/// # Errors
/// When another compaction of the folder is running, or a file cannot be read or written. Nothing is changed then.
pub async fn run(store: &Store, output: Output, codec: Codec) -> anyhow::Result<CompactionReport> {
    match output {
        Output::Folder(output) => folder::run(store, output, codec).await,
        Output::Bucket(output) => bucket::run(store, &output, codec).await,
    }
}
