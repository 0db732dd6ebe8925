//! The command `compact`: merges small files into large ones while readers read and workers write. A reader never sees a
//! row twice, and never misses one.

mod bucket;
mod committed;
mod folder;
mod folder_snapshot;
mod merge;
mod merged_files;
mod report;
mod split;
mod table_files;

use anyhow::bail;

use crate::output::Output;
use crate::part::Codec;
use crate::store::Store;

pub use report::CompactionReport;

/// Merges the files of each dataset that are committed now. With `snapshot` the small files of a folder stay, as those of a
/// bucket always do.
///
/// # Errors
/// When another compaction of the folder is running, or a file cannot be read or written. Nothing is changed then.
pub async fn run(
    datasets: &[(Store, Output)],
    codec: Codec,
    snapshot: bool,
) -> anyhow::Result<CompactionReport> {
    let (mut folders, mut buckets) = (Vec::new(), Vec::new());
    for (store, output) in datasets {
        match output {
            Output::Folder(folder) => folders.push((store, folder)),
            Output::Bucket(bucket) => buckets.push((store, bucket)),
        }
    }
    match (folders.is_empty(), buckets.is_empty()) {
        (_, true) => folder::run(&folders, codec, snapshot).await,
        (true, _) => bucket::run(&buckets, codec).await,
        _ => bail!("all datasets must have the same output"),
    }
}
