//! Compacts a folder of a file system that cannot exchange two folders, or whose files shall stay. As in a bucket, the files
//! that a reader may have listed stay as they are, and the committed rows are merged into a new snapshot. Once it is
//! complete, the file `COMPACTED/latest` names it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use jiff::Timestamp;
use tokio::task::spawn_blocking;

use super::committed::Committed;
use super::report::CompactionReport;
use super::table_files::TableFiles;
use crate::output::files::{age, create_dir, failed, list_dir, sync_dir, write_synced};
use crate::output::folder::Folder;
use crate::output::listing::sync_tree;
use crate::part::{Codec, Part};
use crate::store::Store;

/// Merges what is committed now of each dataset into a new snapshot.
pub(super) async fn run(datasets: &[(&Store, &Folder)], codec: Codec) -> anyhow::Result<CompactionReport> {
    let name = Timestamp::now().as_millisecond().to_string();
    let mut report =
        CompactionReport { snapshot: Some(format!("{SNAPSHOTS}/{name}")), ..CompactionReport::default() };
    for (store, folder) in datasets {
        // The order matters: list the files, then read which parts are open. A file that is listed but not open is
        // committed.
        let list = || folder.tables().iter().map(|table| folder.parts(table)).collect::<Result<Vec<_>, _>>();
        let files = list()?;
        let open = store.open_parts().await.context("read which files are not committed")?;
        let committed = Committed::new(&files, &list()?, open);
        for (table, files) in folder.tables().iter().cloned().zip(files) {
            let parts: Vec<Part> = files.into_iter().filter(|part| committed.contains(part)).collect();
            report.files_before += parts.len();
            let dir = folder.root().join(SNAPSHOTS).join(&name).join(table.name());
            let of_table = TableFiles { folder: Folder::clone(folder), table, codec };
            let (files, rows) = spawn_blocking(move || of_table.write_snapshot(&dir, &parts)).await??;
            report.files_after += files;
            report.rows += rows;
        }
    }
    let Some((_, folder)) = datasets.first() else { return Ok(report) };
    let folder = Folder::clone(folder);
    spawn_blocking(move || publish(&folder, &name)).await??;
    Ok(report)
}

impl TableFiles {
    /// Merges the rows of all `parts` into new files in `dir`, each partition separately. Returns the number of files and of rows.
    fn write_snapshot(&self, dir: &Path, parts: &[Part]) -> anyhow::Result<(usize, u64)> {
        let (mut partitions, mut to_split) = (BTreeMap::<String, Vec<&Part>>::new(), Vec::new());
        for part in parts {
            if self.table.is_in_place(part.folder()) || !self.table.can_split() {
                partitions.entry(self.folder.partition(&self.table, part)?).or_default().push(part);
            } else {
                to_split.push(part);
            }
        }
        create_dir(dir)?;
        let (mut files, mut rows) = self.split(dir, &to_split)?;
        for (partition, parts) in partitions {
            let (more_files, more_rows) = self.merge(dir.join(partition), &parts)?;
            files += more_files;
            rows += more_rows;
        }
        Ok((files, rows))
    }
}

/// Makes a snapshot the latest one, and removes those that no reader can be using any more.
fn publish(folder: &Folder, name: &str) -> anyhow::Result<()> {
    let snapshots = folder.root().join(SNAPSHOTS);
    create_dir(&snapshots)?;
    sync_tree(&snapshots.join(name)).or_else(|_| sync_dir(&snapshots))?;
    let (new, latest) = (snapshots.join(".latest"), snapshots.join("latest"));
    let previous = fs::read_to_string(&latest).unwrap_or_default();
    write_synced(&new, name.as_bytes())?;
    fs::rename(&new, &latest).map_err(|error| failed("rename to", &latest, error))?;
    sync_dir(&snapshots)?;
    for (path, old) in list_dir(&snapshots)? {
        if path.is_dir() && old != name && old != previous && age(&path) > SNAPSHOT_MIN_AGE {
            fs::remove_dir_all(&path).map_err(|error| failed("remove", &path, error))?;
        }
    }
    Ok(())
}

const SNAPSHOTS: &str = "COMPACTED";
const SNAPSHOT_MIN_AGE: Duration = Duration::from_secs(3600);
