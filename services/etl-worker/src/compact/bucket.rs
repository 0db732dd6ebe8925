//! Compacts a bucket. A bucket cannot replace many objects atomically, so the objects that a reader may have listed stay as
//! they are. The committed rows are merged into a new snapshot. Once it is complete, the object `COMPACTED/latest` names it.

use std::collections::BTreeMap;
use std::mem;
use std::sync::Arc;

use anyhow::Context;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use jiff::Timestamp;

use super::merge::{MergeOutput, Merger};
use super::report::CompactionReport;
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
        let parts = committed_parts(store, bucket).await?;
        for table in bucket.tables().iter() {
            let (objects, rows) = snapshot.write_table(table, &parts).await?;
            report.files_before += parts.len();
            report.files_after += objects;
            report.rows += rows;
        }
    }
    bucket.set_latest_snapshot(&name).await?;
    bucket.remove_old_snapshots([Some(name), previous].into_iter().flatten().collect()).await?;
    Ok(report)
}

/// The parts that are in every table and committed, and the folder in which each should be.
async fn committed_parts(store: &Store, bucket: &Bucket) -> anyhow::Result<BTreeMap<Part, String>> {
    // The order matters: list the files, then read which parts are open. A file that is listed but not open is committed.
    let mut parts = None::<BTreeMap<Part, String>>;
    for table in bucket.tables().iter() {
        let of_table = bucket.parts(table).await?;
        parts = Some(match parts {
            None => of_table,
            Some(mut parts) => {
                parts.retain(|part, _| of_table.contains_key(part));
                parts
            }
        });
    }
    let open = store.open_parts().await.context("read which files are not committed")?;
    let mut parts = parts.unwrap_or_default();
    parts.retain(|part, _| !open.contains(part.as_str()));
    Ok(parts)
}

struct Snapshot<'a> {
    bucket: &'a Bucket,
    codec: Codec,
    folder: String,
}

impl Snapshot<'_> {
    /// Merges the rows of all `parts`, each day separately. Returns the number of objects and of rows.
    async fn write_table(
        &self,
        table: &Arc<Table>,
        parts: &BTreeMap<Part, String>,
    ) -> anyhow::Result<(usize, u64)> {
        let mut days = BTreeMap::<&str, Vec<&Part>>::new();
        for (part, day) in parts {
            days.entry(day).or_default().push(part);
        }
        let (mut count, mut rows) = (0, 0);
        for (day, parts) in days {
            let folder = format!("{}/{}/{day}", self.folder, table.name());
            let (mut merger, mut objects) = (Merger::new(table, self.codec), MergedObjects::default());
            let mut reads =
                stream::iter(parts).map(|part| self.bucket.get(table, part)).buffered(CONCURRENT_GETS);
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
            let path = format!("{folder}/part-{count}.{}", self.codec.extension());
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
