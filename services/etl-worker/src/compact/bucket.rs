//! Compacts a bucket. A bucket cannot replace many objects atomically, so the objects that a reader may have listed stay as
//! they are. The committed rows are merged into a new snapshot. Once it is complete, the object `COMPACTED/latest` names it.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::sync::Arc;

use anyhow::Context;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use jiff::Timestamp;

use super::committed::Committed;
use super::merge::{MergeOutput, Merger};
use super::report::CompactionReport;
use super::split::Split;
use crate::output::bucket::Bucket;
use crate::part::{Codec, Part};
use crate::store::Store;
use crate::table::Table;

/// Merges what is committed now of each dataset into a new snapshot. The buckets are the same, with the tables of each.
pub(super) async fn run(datasets: &[(&Store, &Bucket)], codec: Codec) -> anyhow::Result<CompactionReport> {
    let Some((_, bucket)) = datasets.first() else { return Ok(CompactionReport::default()) };
    let previous = bucket.latest_snapshot().await?;
    let name = Timestamp::now().as_millisecond().to_string();
    let snapshot = Snapshot { bucket, codec, folder: format!("COMPACTED/{name}") };
    let mut report =
        CompactionReport { snapshot: Some(snapshot.folder.clone()), ..CompactionReport::default() };
    for (store, bucket) in datasets {
        let (parts, committed) = list_parts(store, bucket).await?;
        for (table, mut parts) in bucket.tables().iter().zip(parts) {
            parts.retain(|part, _| committed.contains(part));
            report.files_before += parts.len();
            let (objects, rows) = snapshot.write_table(bucket, table, &parts).await?;
            report.files_after += objects;
            report.rows += rows;
        }
    }
    bucket.set_latest_snapshot(&name).await?;
    bucket.remove_old_snapshots([Some(name), previous].into_iter().flatten().collect()).await?;
    Ok(report)
}

/// The parts of each table with their days, and which of them are committed.
async fn list_parts(
    store: &Store,
    bucket: &Bucket,
) -> anyhow::Result<(Vec<BTreeMap<Part, String>>, Committed)> {
    // The order matters: list the files, then read which parts are open. A file that is listed but not open is committed.
    let list = async || {
        let of_tables = bucket.tables().iter().map(|table| bucket.parts(table));
        stream::iter(of_tables.collect::<Vec<_>>()).buffered(1).try_collect::<Vec<_>>().await
    };
    let names = |parts: &Vec<BTreeMap<Part, String>>| -> Vec<BTreeSet<Part>> {
        parts.iter().map(|parts| parts.keys().cloned().collect()).collect()
    };
    let parts = list().await?;
    let open = store.open_parts().await.context("read which files are not committed")?;
    let committed = Committed::new(&names(&parts), &names(&list().await?), open);
    Ok((parts, committed))
}

struct Snapshot<'a> {
    bucket: &'a Bucket,
    codec: Codec,
    folder: String,
}

impl Snapshot<'_> {
    /// Merges the rows of all `parts`, each folder separately. Returns the number of objects and of rows.
    async fn write_table(
        &self,
        bucket: &Bucket,
        table: &Arc<Table>,
        parts: &BTreeMap<Part, String>,
    ) -> anyhow::Result<(usize, u64)> {
        let (mut folders, mut to_split) = (BTreeMap::<String, Vec<&Part>>::new(), Vec::new());
        for (part, day) in parts {
            if table.is_in_place(part.folder()) || !table.can_split() {
                folders.entry(bucket.partition(part, day)).or_default().push(part);
            } else {
                to_split.push((part, day));
            }
        }
        let (mut count, mut rows) = (0, 0);
        let root = format!("{}/{}", self.folder, table.name());
        let mut split = Split::<MergedObjects>::new(table, self.codec);
        for (part, day) in to_split {
            let (path, bytes) = bucket.get(table, part).await?;
            split
                .add(bytes, day, |_| Ok(MergedObjects::default()))
                .with_context(|| format!("read {path}"))?;
            // What is in memory is bounded: only the folders of this object are.
            split.finish()?;
            for (folder, mut objects) in mem::take(&mut split.complete) {
                self.put(&format!("{root}/{folder}"), &mut objects, &mut count).await?;
            }
        }
        rows += split.rows;
        for (folder, parts) in folders {
            let folder = format!("{root}/{folder}");
            let (mut merger, mut objects) = (Merger::new(table, self.codec), MergedObjects::default());
            let mut reads = stream::iter(parts).map(|part| bucket.get(table, part)).buffered(CONCURRENT_GETS);
            while let Some((path, bytes)) = reads.try_next().await? {
                merger.add(bytes, &mut objects).with_context(|| format!("read {path}"))?;
                self.put(&folder, &mut objects, &mut count).await?;
            }
            rows += merger.finish(&mut objects)?;
            self.put(&folder, &mut objects, &mut count).await?;
        }
        Ok((count, rows))
    }

    /// Puts the objects that are complete.
    async fn put(&self, folder: &str, objects: &mut MergedObjects, count: &mut usize) -> anyhow::Result<()> {
        for bytes in mem::take(&mut objects.complete) {
            *count += 1;
            // In the flat layout the folder has no name.
            let path = format!("{}/part-{count}.{}", folder.trim_end_matches('/'), self.codec.extension());
            self.bucket.put(&path, bytes).await?;
        }
        Ok(())
    }
}

/// Merged files in memory.
#[derive(Default)]
struct MergedObjects {
    /// Those that are complete but not put yet.
    complete: Vec<Vec<u8>>,
}

impl MergeOutput for MergedObjects {
    type File = Vec<u8>;

    fn create(&mut self) -> anyhow::Result<Vec<u8>> {
        Ok(Vec::new())
    }

    fn finish(&mut self, file: Vec<u8>) -> anyhow::Result<()> {
        self.complete.push(file);
        Ok(())
    }
}

const CONCURRENT_GETS: usize = 16;
