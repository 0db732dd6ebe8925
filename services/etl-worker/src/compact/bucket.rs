//! In a bucket nothing can change places in one step, so nothing that a reader may have listed is touched: what is committed
//! is copied, merged, to a snapshot of its own, and once that is whole, the object `COMPACTED/latest` names it.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;

use anyhow::Context;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use jiff::Timestamp;

use super::Merged;
use super::merge::{Merge, Sinks};
use crate::output::bucket::Bucket;
use crate::part::{Codec, Part};
use crate::store::Store;
use crate::table::Table;

/// Copies what is committed now, merged, to a new snapshot.
pub(super) async fn run(store: &Store, bucket: &Bucket, codec: Codec) -> anyhow::Result<Merged> {
    let before = bucket.latest().await?;
    // First the files, then what is open: a file that is listed and not open is committed.
    let mut parts = bucket.parts(Table::Meta).await?;
    let podiums = bucket.parts(Table::Podium).await?;
    let open = store.open_parts().await.context("read which files are not committed")?;
    parts.retain(|part| podiums.contains(part) && !open.contains(part.as_str()));

    let name = Timestamp::now().as_millisecond().to_string();
    let snapshot = Snapshot { bucket, codec, folder: format!("COMPACTED/{name}") };
    let mut merged = Merged { snapshot: Some(snapshot.folder.clone()), ..Merged::default() };
    for table in Table::ALL {
        let (objects, rows) = snapshot.copy(table, &parts).await?;
        merged.files_before += parts.len();
        merged.files_after += objects;
        merged.rows += rows;
    }
    bucket.set_latest(&name).await?;
    bucket.sweep([Some(name), before].into_iter().flatten().collect()).await?;
    Ok(merged)
}

struct Snapshot<'a> {
    bucket: &'a Bucket,
    codec: Codec,
    folder: String,
}

impl Snapshot<'_> {
    /// Copies the rows of all `parts`, each day's by themselves; gives the number of objects and of rows.
    async fn copy(&self, table: Table, parts: &BTreeSet<Part>) -> anyhow::Result<(usize, u64)> {
        let mut days = BTreeMap::<&str, Vec<&Part>>::new();
        for part in parts {
            days.entry(part.folder()).or_default().push(part);
        }
        let (mut count, mut rows) = (0, 0);
        for (day, parts) in days {
            let folder = format!("{}/{}/{day}", self.folder, table.name());
            let (mut merge, mut objects) = (Merge::new(table, self.codec), Objects::default());
            let mut reads = stream::iter(parts).map(|part| self.bucket.get(table, part)).buffered(GETS);
            while let Some((path, bytes)) = reads.try_next().await? {
                merge.add(bytes, &mut objects).with_context(|| format!("read {path}"))?;
                self.put(&folder, &mut objects, &mut count).await?;
            }
            rows += merge.finish(&mut objects)?;
            self.put(&folder, &mut objects, &mut count).await?;
        }
        Ok((count, rows))
    }

    async fn put(&self, folder: &str, objects: &mut Objects, count: &mut usize) -> anyhow::Result<()> {
        for bytes in mem::take(&mut objects.0) {
            *count += 1;
            let path = format!("{folder}/part-{count}.{}", self.codec.extension());
            self.bucket.put(&path, bytes).await?;
        }
        Ok(())
    }
}

/// Merged files that are whole and not put yet.
#[derive(Default)]
struct Objects(Vec<Vec<u8>>);

impl Sinks for Objects {
    type Sink = Vec<u8>;

    fn open(&mut self) -> anyhow::Result<Vec<u8>> {
        Ok(Vec::new())
    }

    fn close(&mut self, file: Vec<u8>) -> anyhow::Result<()> {
        self.0.push(file);
        Ok(())
    }
}

const GETS: usize = 16;
