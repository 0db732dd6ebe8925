//! A folder of a local file system: written aside, synced, renamed without replacing.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::stream::{self, StreamExt};
use rustix::fs::{CWD, FlockOperation, RenameFlags, flock, renameat_with};
use rustix::io::Errno;
use tokio::task::spawn_blocking;

use super::{Content, OutputError, Staged};
use crate::part::Part;
use crate::table::Table;

/// A folder that holds a folder per table, and beside them what no reader looks at: `.tmp` (files set aside), `.trash`
/// (what a compaction replaced), `.lock` (held shared while files are renamed, exclusively while a table is swapped).
#[derive(Clone)]
pub struct Folder {
    root: Arc<Path>,
    consumer: Arc<str>,
}

impl Folder {
    pub(crate) fn new(root: &str, consumer: &str) -> Self {
        Self { root: Path::new(root).into(), consumer: consumer.into() }
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of a table.
    pub fn table(&self, table: Table) -> PathBuf {
        self.root.join(table.name())
    }

    fn aside(&self, table: Table) -> PathBuf {
        self.root.join(".tmp").join(table.name())
    }

    fn staged(&self, table: Table, part: &Part, set: u64) -> PathBuf {
        // The part's name comes first, so that a compaction finds what anybody has set aside for it.
        self.aside(table).join(format!("{}~{}-{set}", part.flat(), self.consumer))
    }

    pub(crate) async fn probe(&self) -> Result<(), OutputError> {
        let folder = self.clone();
        blocking(move || {
            for table in Table::ALL {
                for dir in [folder.aside(table), folder.table(table)] {
                    make_dir(&dir)?;
                    let probe = dir.join(format!("{PROBE}{}", folder.consumer));
                    write(&probe, b"probe")?;
                    remove(&probe)?;
                }
            }
            Ok(())
        })
        .await
    }

    pub(crate) async fn holds(&self, part: &Part) -> Result<bool, OutputError> {
        let (folder, part) = (self.clone(), part.clone());
        blocking(move || {
            for table in Table::ALL {
                let path = folder.table(table).join(part.as_str());
                if !path.try_exists().map_err(|error| failed("look for", &path, error))? {
                    return Ok(false);
                }
            }
            Ok(true)
        })
        .await
    }

    pub(crate) async fn stage(&self, contents: Vec<Content>) -> Result<Staged, OutputError> {
        let staged = Staged::aside(contents.iter().map(|content| content.part.clone()));
        let writes = contents.into_iter().map(|content| {
            let (folder, set) = (self.clone(), staged.set);
            blocking(move || {
                for (table, bytes) in Table::ALL.into_iter().zip(content.files()?) {
                    let path = folder.staged(table, &content.part, set);
                    write(&path, &bytes).or_else(|_| {
                        make_dir(&folder.aside(table))?;
                        write(&path, &bytes)
                    })?;
                }
                Ok(())
            })
        });
        // All are awaited, so that nobody writes any more when the first failure is told.
        let written: Vec<Result<(), OutputError>> =
            stream::iter(writes).buffer_unordered(WRITERS).collect().await;
        match written.into_iter().collect::<Result<(), _>>() {
            Ok(()) => Ok(staged),
            Err(error) => {
                self.discard(staged).await;
                Err(error)
            }
        }
    }

    pub(crate) async fn publish(&self, staged: Staged) -> Result<(), OutputError> {
        let folder = self.clone();
        blocking(move || {
            let published = folder.rename_all(&staged);
            folder.remove_all(&staged);
            published
        })
        .await
    }

    pub(crate) async fn discard(&self, staged: Staged) {
        let folder = self.clone();
        // Files that stay are swept when they are old.
        let _ = blocking(move || {
            folder.remove_all(&staged);
            Ok(())
        })
        .await;
    }

    fn rename_all(&self, staged: &Staged) -> Result<(), OutputError> {
        let _lock = self.lock(FlockOperation::LockShared)?;
        let mut changed = BTreeSet::new();
        for part in staged.files.keys() {
            for table in Table::ALL {
                changed.insert(self.rename(table, part, staged.set)?);
            }
        }
        changed.iter().try_for_each(|dir| sync_dir(dir))
    }

    fn remove_all(&self, staged: &Staged) {
        for part in staged.files.keys() {
            for table in Table::ALL {
                let _ = fs::remove_file(self.staged(table, part, staged.set));
            }
        }
    }

    /// Takes the lock of the tables; it is let go with the file.
    pub(crate) fn lock(&self, operation: FlockOperation) -> Result<File, OutputError> {
        let path = self.root.join(".lock");
        make_dir(&self.root)?;
        let file = File::options().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(|error| failed("open", &path, error))?;
        flock(&file, operation).map_err(|error| failed("lock", &path, error.into()))?;
        Ok(file)
    }

    /// Gives the folder that the file is in.
    fn rename(&self, table: Table, part: &Part, set: u64) -> Result<PathBuf, OutputError> {
        let (from, to) = (self.staged(table, part, set), self.table(table).join(part.as_str()));
        let dir = to.parent().unwrap_or(&self.root).to_owned();
        let rename = || renameat_with(CWD, &from, CWD, &to, RenameFlags::NOREPLACE);
        let renamed = rename().or_else(|error| {
            if error != Errno::NOENT {
                return Err(error);
            }
            fs::create_dir_all(&dir).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
            rename()
        });
        match renamed {
            Ok(()) => Ok(dir),
            // Somebody was faster.
            Err(Errno::EXIST) => Ok(dir),
            Err(Errno::NOENT) => Err(OutputError::Fenced(part.clone())),
            Err(error) => Err(failed("rename to", &to, error.into())),
        }
    }

    /// Takes away what others have set aside for this part of a table, so that nobody can publish it any more.
    pub(crate) fn fence(&self, table: Table, parts: &BTreeSet<Part>) -> Result<(), OutputError> {
        let names: BTreeSet<String> = parts.iter().map(Part::flat).collect();
        for (path, name) in list(&self.aside(table))? {
            if name.split_once('~').is_some_and(|(part, _)| names.contains(part)) {
                remove(&path)?;
            }
        }
        Ok(())
    }

    /// Removes what processes that ended have set aside, and tables that compactions replaced, once they are old.
    pub(crate) fn sweep(&self) -> Result<(), OutputError> {
        for table in Table::ALL {
            for (path, _) in list(&self.aside(table))? {
                if age(&path) > ABANDONED {
                    remove(&path)?;
                }
            }
        }
        for (path, _) in list(&self.root.join(".trash"))? {
            if age(&path) > TRASH {
                fs::remove_dir_all(&path).map_err(|error| failed("remove", &path, error))?;
            }
        }
        Ok(())
    }
}

pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, OutputError> + Send + 'static,
) -> Result<T, OutputError> {
    spawn_blocking(work).await.map_err(|error| OutputError::new("work on files", error))?
}

pub(crate) fn failed(what: &str, path: &Path, error: io::Error) -> OutputError {
    OutputError::new(format!("{what} {}", path.display()), error)
}

pub(crate) fn make_dir(path: &Path) -> Result<(), OutputError> {
    fs::create_dir_all(path).map_err(|error| failed("make the folder", path, error))
}

pub(crate) fn sync_dir(path: &Path) -> Result<(), OutputError> {
    File::open(path).and_then(|dir| dir.sync_all()).map_err(|error| failed("sync", path, error))
}

/// The files in a folder, with their names; none if it is not there.
pub(crate) fn list(dir: &Path) -> Result<Vec<(PathBuf, String)>, OutputError> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed("list", dir, error)),
    };
    let named = entries
        .map(|entry| entry.map(|entry| (entry.path(), entry.file_name().to_string_lossy().into_owned())));
    named.collect::<io::Result<_>>().map_err(|error| failed("list", dir, error))
}

fn remove(path: &Path) -> Result<(), OutputError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", path, error)),
        _ => Ok(()),
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), OutputError> {
    let written =
        File::create(path).and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()));
    written.map_err(|error| {
        // A torn file is of no use, and on a full disk it is in the way.
        let _ = fs::remove_file(path);
        failed("write", path, error)
    })
}

fn age(path: &Path) -> Duration {
    let modified = fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    modified.and_then(|modified| SystemTime::now().duration_since(modified).ok()).unwrap_or_default()
}

/// What the names of probes begin with.
pub(crate) const PROBE: &str = ".probe~";
const WRITERS: usize = 4;
/// Longer than any lease.
const ABANDONED: Duration = Duration::from_secs(2 * 3600);
/// Longer than any reader takes to list a folder.
const TRASH: Duration = Duration::from_secs(600);
