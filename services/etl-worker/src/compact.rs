//! Merges small files into few while readers read and workers write.
//!
//! A folder's new content is built beside it, of links to what stays and the merged files, and then the two folders change
//! places in one step. A reader finds the old files or the new ones, never both and never neither; one that listed the old
//! names must open again. Workers do not rename while that step is made, and a file that is not fully committed stays as
//! it is, because whoever finishes its jobs looks for it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use jiff::Timestamp;
use rustix::fs::{CWD, FlockOperation, RenameFlags, renameat_with};
use tokio::task::spawn_blocking;

use crate::output::folder::{Folder, PROBE, failed, list, make_dir, sync_dir};
use crate::output::{Output, OutputError};
use crate::part::{Codec, Part};
use crate::store::Store;
use crate::table::{Reader, Rows, Table, Writer};

/// What a compaction did.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Merged {
    /// Files before, in both tables.
    pub files_before: usize,
    /// Files after.
    pub files_after: usize,
    /// Rows that were rewritten.
    pub rows: u64,
}

impl fmt::Display for Merged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} files became {}; {} rows were rewritten",
            self.files_before, self.files_after, self.rows
        )
    }
}

/// Merges what is committed now.
///
/// # Errors
/// When the output is no folder, another compaction runs, or a file cannot be read or written. Nothing is changed then.
pub async fn run(store: &Store, output: Output, codec: Codec) -> anyhow::Result<Merged> {
    let Output::Folder(folder) = output else {
        bail!("compact needs a folder: objects of a bucket cannot change places in one step");
    };
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
                groups
                    .entry(part.as_str().rsplit_once('/').map_or("", |(dir, _)| dir))
                    .or_default()
                    .push(part);
            }
        }
        groups.retain(|_, parts| parts.len() > 1);
        let inputs: BTreeSet<Part> = groups.values().flatten().map(|part| (*part).clone()).collect();
        let mut merged = Merged { files_before: files.len(), files_after: files.len(), rows: 0 };
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
        let (mut outputs, mut written, mut expected) = (0, 0, 0);
        let mut rows = Rows::new(self.table);
        let mut writer: Option<Writer<BufWriter<File>>> = None;
        let mut rows_in_file = 0;
        let flush =
            |rows: &mut Rows, writer: &mut Option<Writer<_>>, outputs: &mut usize| -> anyhow::Result<u64> {
                let open = match writer {
                    Some(open) => open,
                    None => {
                        *outputs += 1;
                        let name = format!(
                            "compacted-{}-{outputs}.{}",
                            Timestamp::now().as_millisecond(),
                            self.codec.extension()
                        );
                        let file = File::create_new(dir.join(name)).context("make a merged file")?;
                        writer.insert(Writer::new(BufWriter::new(file), self.table, self.codec)?)
                    }
                };
                open.write(rows)?;
                let count = rows.len() as u64;
                rows.clear();
                Ok(count)
            };
        for part in parts {
            let path = self.folder.table(self.table).join(part.as_str());
            let file = File::open(&path).map_err(|error| failed("open", &path, error))?;
            let reader = Reader::new(file, self.table).with_context(|| format!("read {}", path.display()))?;
            expected += reader.row_count();
            for group in 0..reader.groups() {
                reader.read(group, &mut rows).with_context(|| format!("read {}", path.display()))?;
                if rows.len() >= GROUP_ROWS {
                    rows_in_file += rows.len();
                    written += flush(&mut rows, &mut writer, &mut outputs)?;
                }
            }
            if rows_in_file >= FILE_ROWS {
                rows_in_file = 0;
                close(writer.take())?;
            }
        }
        if !rows.is_empty() {
            written += flush(&mut rows, &mut writer, &mut outputs)?;
        }
        close(writer)?;
        ensure!(written == expected, "{written} rows were merged of {expected}; nothing is changed");
        Ok((outputs, written))
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

fn close(writer: Option<Writer<BufWriter<File>>>) -> anyhow::Result<()> {
    if let Some(writer) = writer {
        let file = writer.finish()?.into_inner().context("write a merged file")?;
        file.sync_all().context("sync a merged file")?;
    }
    Ok(())
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
/// What a reader takes at a time.
const GROUP_ROWS: usize = 122_880;
/// Where a merged file ends.
const FILE_ROWS: usize = 4_000_000;
const LOCK_TRIES: u32 = 3_000;
const LOCK_PAUSE: Duration = Duration::from_millis(10);
