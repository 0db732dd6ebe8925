//! Compacts a folder. The new content of a table's folder is built in a second folder: hard links to the files that stay,
//! and the merged files. Then the two folders are exchanged atomically. A reader finds either the old files or the new
//! ones, never both and never none. A reader that listed the old names must open again.
//!
//! Workers cannot rename files during the exchange. A file with a game that is not committed stays as it is, because the
//! worker that finishes the job looks for it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use jiff::Timestamp;
use rustix::fs::{CWD, FlockOperation, RenameFlags, flock, renameat_with};
use rustix::io::Errno;
use tokio::task::spawn_blocking;
use tracing::warn;

use super::folder_snapshot;
use super::report::CompactionReport;
use super::table_files::TableFiles;
use crate::output::OutputError;
use crate::output::files::{create_dir, failed, sync_dir};
use crate::output::folder::Folder;
use crate::output::listing::{list_files, sync_tree};
use crate::part::{Codec, Part};
use crate::store::Store;
use crate::table::Reader;

/// Merges what is committed now, one table after the other. The folders are the same, with the tables of each dataset. With
/// `snapshot`, or where folders cannot be exchanged, the merged files are written beside the small ones.
pub(super) async fn run(
    datasets: &[(&Store, &Folder)],
    codec: Codec,
    snapshot: bool,
) -> anyhow::Result<CompactionReport> {
    let mut report = CompactionReport::default();
    let Some((_, folder)) = datasets.first() else { return Ok(report) };
    create_dir(folder.root())?;
    let path = folder.root().join(".compact.lock");
    let lock = File::create(&path).with_context(|| format!("open {}", path.display()))?;
    if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
        bail!("another compaction of {} is running", folder.root().display());
    }
    if snapshot || !can_exchange(folder.root())? {
        return folder_snapshot::run(datasets, codec).await;
    }
    let tables = datasets
        .iter()
        .flat_map(|(store, folder)| folder.tables().iter().map(move |table| (store, folder, table)));
    for (store, folder, table) in tables {
        // The order matters: list the files, then read which parts are open. A file that is listed but not open is
        // committed.
        let files = list_files(&folder.table(table))?;
        let open = store.open_parts().await.context("read which files are not committed")?;
        let files_of_table = TableFiles { folder: Folder::clone(folder), table: Arc::clone(table), codec };
        let parts = files.iter().filter_map(|file| Part::parse(file));
        let committed = parts.filter(|part| !open.contains(part.file_name())).collect();
        let of_table = spawn_blocking(move || files_of_table.compact(&files, &committed)).await??;
        report.files_before += of_table.files_before;
        report.files_after += of_table.files_after;
        report.rows += of_table.rows;
    }
    folder.remove_abandoned()?;
    Ok(report)
}

impl TableFiles {
    fn compact(
        &self,
        files: &BTreeSet<String>,
        committed: &BTreeSet<Part>,
    ) -> anyhow::Result<CompactionReport> {
        let (live, new) = (self.folder.table(&self.table), self.new_dir());
        if new.exists() {
            // A compaction died here. If that was after the exchange, readers may still use this folder.
            self.move_to_trash(&new)?;
        }
        let (mut groups, mut to_split) = (BTreeMap::<String, Vec<&Part>>::new(), Vec::new());
        for part in committed {
            let is_in_place = self.table.is_in_place(part.folder());
            if is_in_place && self.can_merge(part)? {
                groups.entry(self.folder.partition(&self.table, part)?).or_default().push(part);
            } else if !is_in_place && self.can_split(part)? {
                to_split.push(part);
            }
        }
        // A single file is worth the work only if it is not in its partition yet.
        groups.retain(|partition, parts| parts.len() > 1 || parts[0].folder() != partition);
        let inputs = groups.values().flatten().chain(&to_split);
        let inputs: BTreeSet<Part> = inputs.map(|part| (*part).clone()).collect();
        let mut report = CompactionReport {
            files_before: files.len(),
            files_after: files.len(),
            ..CompactionReport::default()
        };
        if inputs.is_empty() {
            return Ok(report);
        }

        create_dir(&new)?;
        for (dir, parts) in &groups {
            let (outputs, rows) = self.merge(new.join(dir), parts)?;
            report.files_after = report.files_after + outputs - parts.len();
            report.rows += rows;
        }
        let (outputs, rows) = self.split(&new, &to_split)?;
        report.files_after = report.files_after + outputs - to_split.len();
        report.rows += rows;
        // A worker that lost its job must not publish one of the inputs again.
        self.folder.fence(&self.table, &inputs)?;
        let merged: BTreeSet<String> = inputs.iter().map(Part::to_string).collect();
        self.link(files.difference(&merged))?;

        let lock = self.lock_renames()?;
        let files_now = list_files(&live)?;
        self.link(files_now.difference(files))?;
        sync_tree(&new)?;
        renameat_with(CWD, &new, CWD, &live, RenameFlags::EXCHANGE)
            .map_err(|error| failed("exchange", &live, error.into()))?;
        sync_dir(self.folder.root())?;
        drop(lock);
        // After the exchange this is the old folder.
        self.move_to_trash(&new)?;
        Ok(report)
    }

    fn new_dir(&self) -> PathBuf {
        self.folder.root().join(".compact").join(self.table.name())
    }

    /// True for files of this table that are in no partition and whose rows tell theirs. Others stay as they are.
    fn can_split(&self, part: &Part) -> anyhow::Result<bool> {
        let (path, file) = self.open(part)?;
        let is_ours = Reader::new(file, &self.table).is_ok();
        if is_ours && !self.table.can_split() {
            warn!("{} stays where it is: no column says to which partition its rows belong", path.display());
        }
        Ok(is_ours && self.table.can_split())
    }

    /// True for small files of this table. Other files in the folder stay as they are.
    fn can_merge(&self, part: &Part) -> Result<bool, OutputError> {
        let (path, file) = self.open(part)?;
        let length = file.metadata().map_err(|error| failed("read the size of", &path, error))?.len();
        Ok(length < FULL_BYTES && Reader::new(file, &self.table).is_ok())
    }

    /// Links files of the live folder into the new one.
    fn link<'a>(&self, files: impl Iterator<Item = &'a String>) -> Result<(), OutputError> {
        let (live, new) = (self.folder.table(&self.table), self.new_dir());
        for file in files {
            let to = new.join(file);
            create_dir(to.parent().unwrap_or(&new))?;
            fs::hard_link(live.join(file), &to).map_err(|error| failed("link", &to, error))?;
        }
        Ok(())
    }

    /// Keeps workers from renaming files until the returned file is closed.
    fn lock_renames(&self) -> anyhow::Result<File> {
        for _ in 0..LOCK_TRIES {
            if let Ok(lock) = self.folder.lock(FlockOperation::NonBlockingLockExclusive) {
                return Ok(lock);
            }
            std::thread::sleep(LOCK_RETRY_DELAY);
        }
        bail!("workers held the lock of {} for too long", self.folder.root().display());
    }

    /// Moves a folder to `.trash/`, where it stays until no reader can be using it any more.
    fn move_to_trash(&self, dir: &Path) -> anyhow::Result<()> {
        let trash = self.folder.root().join(".trash");
        create_dir(&trash)?;
        let to = trash.join(format!("{}-{}", self.table.name(), Timestamp::now().as_millisecond()));
        fs::rename(dir, &to).map_err(|error| failed("move to the trash", dir, error))?;
        // Creating a file in it sets the folder's modification time, from which its age counts.
        let marked = File::create(to.join(".replaced"));
        marked.map(drop).map_err(|error| failed("mark", &to, error).into())
    }
}

/// Whether two folders of this file system can be exchanged. NFS, FUSE and older ZFS cannot.
fn can_exchange(root: &Path) -> Result<bool, OutputError> {
    let [one, other] = ["probe-1", "probe-2"].map(|name| root.join(".compact").join(name));
    create_dir(&one)?;
    create_dir(&other)?;
    let exchanged = renameat_with(CWD, &one, CWD, &other, RenameFlags::EXCHANGE);
    for dir in [&one, &other] {
        fs::remove_dir(dir).map_err(|error| failed("remove", dir, error))?;
    }
    match exchanged {
        Ok(()) => Ok(true),
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::PERM) => Ok(false),
        Err(error) => Err(failed("exchange", &one, error.into())),
    }
}

/// A file of this size or larger is not merged again.
const FULL_BYTES: u64 = 64 << 20;
const LOCK_TRIES: u32 = 3_000;
const LOCK_RETRY_DELAY: Duration = Duration::from_millis(10);
