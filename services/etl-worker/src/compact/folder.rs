//! In a folder: its new content is built beside it, of links to what stays and the merged files, and then the two folders
//! change places in one step. A reader finds the old files or the new ones, never both and never neither; one that listed
//! the old names must open again. Workers do not rename while that step is made, and a file that is not fully committed
//! stays as it is, because whoever finishes its jobs looks for it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use jiff::Timestamp;
use rustix::fs::{CWD, FlockOperation, RenameFlags, renameat_with};
use tokio::task::spawn_blocking;

use super::Merged;
use super::merge::{Merge, Sinks};
use crate::output::OutputError;
use crate::output::folder::{Folder, PROBE, failed, list, make_dir, sync_dir};
use crate::part::{Codec, Part};
use crate::store::Store;
use crate::table::{Reader, Table};

/// Merges what is committed now, each table by itself.
pub(super) async fn run(store: &Store, folder: Folder, codec: Codec) -> anyhow::Result<Merged> {
    let mut merged = Merged::default();
    make_dir(folder.root())?;
    let path = folder.root().join(".compact.lock");
    let only = File::create(&path).with_context(|| format!("open {}", path.display()))?;
    if rustix::fs::flock(&only, FlockOperation::NonBlockingLockExclusive).is_err() {
        bail!("another compaction of {} is running", folder.root().display());
    }
    for table in Table::ALL {
        // First the files, then what is open: a file that is listed and not open is committed.
        let files = files(&folder.table(table))?;
        let open = store.open_parts().await.context("read which files are not committed")?;
        let compaction = Compaction { folder: folder.clone(), table, codec };
        let closed =
            files.iter().filter(|file| !open.contains(*file)).filter_map(|file| Part::parse(file)).collect();
        let one = spawn_blocking(move || compaction.run(&files, &closed)).await??;
        merged.files_before += one.files_before;
        merged.files_after += one.files_after;
        merged.rows += one.rows;
    }
    folder.sweep()?;
    Ok(merged)
}

struct Compaction {
    folder: Folder,
    table: Table,
    codec: Codec,
}

impl Compaction {
    fn run(&self, files: &BTreeSet<String>, closed: &BTreeSet<Part>) -> anyhow::Result<Merged> {
        let (live, staging) = (self.folder.table(self.table), self.staging());
        if staging.exists() {
            // A compaction died here. What it left may be a folder that readers are still in.
            self.discard(&staging)?;
        }
        let mut groups = BTreeMap::<&str, Vec<&Part>>::new();
        for part in closed {
            if self.can_merge(part)? {
                groups.entry(part.folder()).or_default().push(part);
            }
        }
        groups.retain(|_, parts| parts.len() > 1);
        let inputs: BTreeSet<Part> = groups.values().flatten().map(|part| (*part).clone()).collect();
        let mut merged = Merged { files_before: files.len(), files_after: files.len(), ..Merged::default() };
        if inputs.is_empty() {
            return Ok(merged);
        }

        make_dir(&staging)?;
        for (dir, parts) in &groups {
            let (outputs, rows) = self.merge(&staging.join(dir), parts)?;
            merged.files_after = merged.files_after + outputs - parts.len();
            merged.rows += rows;
        }
        // Nobody who lost a job may put an input back.
        self.folder.fence(self.table, &inputs)?;
        let merged_now: BTreeSet<String> = inputs.iter().map(Part::to_string).collect();
        self.link(files.difference(&merged_now))?;

        let lock = self.lock()?;
        let newcomers = self::files(&live)?;
        self.link(newcomers.difference(files))?;
        sync_tree(&staging)?;
        renameat_with(CWD, &staging, CWD, &live, RenameFlags::EXCHANGE)
            .map_err(|error| failed("swap", &live, error.into()))?;
        sync_dir(self.folder.root())?;
        drop(lock);
        self.discard(&staging)?;
        Ok(merged)
    }

    fn staging(&self) -> PathBuf {
        self.folder.root().join(".compact").join(self.table.name())
    }

    /// True of small files of this table; what else lies in the folder stays as it is.
    fn can_merge(&self, part: &Part) -> Result<bool, OutputError> {
        let path = self.folder.table(self.table).join(part.as_str());
        let file = File::open(&path).map_err(|error| failed("open", &path, error))?;
        let length = file.metadata().map_err(|error| failed("look at", &path, error))?.len();
        Ok(length < FULL_BYTES && Reader::new(file, self.table).is_ok())
    }

    /// Writes the rows of all `parts` to new files in `dir`; gives the number of files and of rows.
    fn merge(&self, dir: &Path, parts: &[&Part]) -> anyhow::Result<(usize, u64)> {
        make_dir(dir)?;
        let mut files = Files { dir, codec: self.codec, count: 0 };
        let mut merge = Merge::new(self.table, self.codec);
        for part in parts {
            let path = self.folder.table(self.table).join(part.as_str());
            let file = File::open(&path).map_err(|error| failed("open", &path, error))?;
            merge.add(file, &mut files).with_context(|| format!("read {}", path.display()))?;
        }
        let rows = merge.finish(&mut files)?;
        Ok((files.count, rows))
    }

    fn link<'a>(&self, files: impl Iterator<Item = &'a String>) -> Result<(), OutputError> {
        let (live, staging) = (self.folder.table(self.table), self.staging());
        for file in files {
            let to = staging.join(file);
            make_dir(to.parent().unwrap_or(&staging))?;
            fs::hard_link(live.join(file), &to).map_err(|error| failed("link", &to, error))?;
        }
        Ok(())
    }

    fn lock(&self) -> anyhow::Result<File> {
        for _ in 0..LOCK_TRIES {
            if let Ok(lock) = self.folder.lock(FlockOperation::NonBlockingLockExclusive) {
                return Ok(lock);
            }
            std::thread::sleep(LOCK_PAUSE);
        }
        bail!("workers held the lock of {} for too long", self.folder.root().display());
    }

    /// Moves a folder to where it is kept until no reader can be in it any more.
    fn discard(&self, dir: &Path) -> anyhow::Result<()> {
        let trash = self.folder.root().join(".trash");
        make_dir(&trash)?;
        let to = trash.join(format!("{}-{}", self.table.name(), Timestamp::now().as_millisecond()));
        fs::rename(dir, &to).map_err(|error| failed("move away", dir, error))?;
        // Its age counts from now.
        let touched = File::create(to.join(".replaced"));
        touched.map(drop).map_err(|error| failed("mark", &to, error).into())
    }
}

/// New files of a folder, one after the other.
struct Files<'a> {
    dir: &'a Path,
    codec: Codec,
    count: usize,
}

impl Sinks for Files<'_> {
    type Sink = BufWriter<File>;

    fn open(&mut self) -> anyhow::Result<Self::Sink> {
        self.count += 1;
        let (now, count) = (Timestamp::now().as_millisecond(), self.count);
        let path = self.dir.join(format!("compacted-{now}-{count}.{}", self.codec.extension()));
        let file = File::create_new(&path).with_context(|| format!("make {}", path.display()))?;
        Ok(BufWriter::new(file))
    }

    fn close(&mut self, sink: Self::Sink) -> anyhow::Result<()> {
        sink.into_inner().context("write a merged file")?.sync_all().context("sync a merged file")
    }
}

/// The paths of all files in a table's folder and those below it, without what a worker's probe leaves for a moment.
fn files(table: &Path) -> Result<BTreeSet<String>, OutputError> {
    let mut files = BTreeSet::new();
    for (path, name) in list(table)? {
        if path.is_dir() {
            files.extend(self::files(&path)?.into_iter().map(|file| format!("{name}/{file}")));
        } else if !name.starts_with(PROBE) {
            files.insert(name);
        }
    }
    Ok(files)
}

fn sync_tree(dir: &Path) -> Result<(), OutputError> {
    for (path, _) in list(dir)?.iter().filter(|(path, _)| path.is_dir()) {
        sync_tree(path)?;
    }
    sync_dir(dir)
}

/// A file of this size is not merged again.
const FULL_BYTES: u64 = 64 << 20;
const LOCK_TRIES: u32 = 3_000;
const LOCK_PAUSE: Duration = Duration::from_millis(10);
