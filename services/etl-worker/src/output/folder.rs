//! A folder of a local file system. Files are staged and synced, then renamed without replacing.

mod publish;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use rustix::fs::{FlockOperation, flock};

use super::error::OutputError;
use super::files::{age, create_dir, failed, list_dir, remove_file, run_blocking, write_synced};
use super::first_rows::read_first;
use super::listing::{PROBE_PREFIX, list_files};
use super::rename::rename_without_replacing;
use crate::config::OutputSettings;
use crate::part::{Layout, Part};
use crate::table::{Rows, Table, Tables};

/// A folder with a folder per table. Readers ignore what else is in it: `.tmp` has the staged files, `.trash` has what a
/// compaction replaced, and `.lock` is locked shared while files are renamed and exclusively while a table is swapped.
#[derive(Clone)]
pub struct Folder {
    root: Arc<Path>,
    /// Tells the files that this process stages from those of others.
    process: Arc<str>,
    tables: Tables,
    layout: Layout,
}

impl Folder {
    pub(crate) fn new(settings: &OutputSettings, tables: &Tables, process: &str) -> Self {
        let (root, layout) = (settings.etl_output.as_str(), settings.etl_layout);
        Self { root: Path::new(root).into(), process: process.into(), tables: Tables::clone(tables), layout }
    }

    /// The tables that are written.
    pub(crate) fn tables(&self) -> &Tables {
        &self.tables
    }

    /// The path of the folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The path of a table's folder.
    pub fn table(&self, table: &Table) -> PathBuf {
        self.root.join(table.name())
    }

    fn staging(&self, table: &Table) -> PathBuf {
        self.root.join(".tmp").join(table.name())
    }

    pub(crate) async fn probe(&self) -> Result<(), OutputError> {
        let folder = self.clone();
        run_blocking(move || {
            for table in folder.tables.iter() {
                let [from, to] = [folder.staging(table), folder.table(table)]
                    .map(|dir| dir.join(format!("{PROBE_PREFIX}{}", folder.process)));
                create_dir(&folder.staging(table))?;
                create_dir(&folder.table(table))?;
                let _lock = folder.lock(FlockOperation::LockShared)?;
                remove_file(&to)?;
                write_synced(&from, b"probe")?;
                let renamed = rename_without_replacing(&from, &to);
                let removed = remove_file(&from).and_then(|()| remove_file(&to));
                renamed.map_err(|error| failed("rename to", &to, error))?;
                removed?;
            }
            Ok(())
        })
        .await
    }

    pub(crate) async fn exists(&self, part: &Part) -> Result<bool, OutputError> {
        let (folder, part) = (self.clone(), part.clone());
        run_blocking(move || {
            for table in folder.tables.iter() {
                let path = folder.table(table).join(part.as_str());
                if !path.try_exists().map_err(|error| failed("look for", &path, error).of_part(&part))? {
                    return Ok(false);
                }
            }
            Ok(true)
        })
        .await
    }

    /// The folder in a table's folder in which a part should be. A file of the flat layout belongs to the day on which it was
    /// written.
    pub(crate) fn partition(&self, table: &Table, part: &Part) -> Result<String, OutputError> {
        if !part.folder().is_empty() || self.layout == Layout::Flat {
            return Ok(part.folder().to_owned());
        }
        Ok(format!("dt={}", self.day_of(table, part)?))
    }

    /// The day (UTC) of a part of a table: the one in its path, or else that on which the file was written.
    pub(crate) fn day_of(&self, table: &Table, part: &Part) -> Result<String, OutputError> {
        if let Some(day) = table.day_of(part.folder()) {
            return Ok(day.to_owned());
        }
        let path = self.table(table).join(part.as_str());
        let modified = fs::metadata(&path).and_then(|metadata| metadata.modified());
        Ok(day(modified.map_err(|error| failed("read the time of", &path, error))?))
    }

    /// The parts of a table.
    pub(crate) fn parts(&self, table: &Table) -> Result<BTreeSet<Part>, OutputError> {
        Ok(list_files(&self.table(table))?.iter().filter_map(|path| Part::parse(path)).collect())
    }

    pub(crate) async fn read_first(
        &self,
        table: &Arc<Table>,
        part: &Part,
    ) -> Result<Option<(Rows, u64)>, OutputError> {
        let (table, path) = (Arc::clone(table), self.table(table).join(part.as_str()));
        run_blocking(move || match File::open(&path) {
            Ok(file) => read_first(file, &table, &path.display().to_string()).map(Some),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed("open", &path, error)),
        })
        .await
    }

    /// Writes and removes a small file where no reader looks.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) async fn touch(&self) -> Result<(), OutputError> {
        let folder = self.clone();
        run_blocking(move || {
            let dir = folder.root.join(".tmp");
            create_dir(&dir)?;
            folder.open_lock()?;
            let path = dir.join(format!("alive~{}", folder.process));
            write_synced(&path, b"alive")?;
            remove_file(&path)
        })
        .await
    }

    /// Takes the lock of the tables. It is released when the returned file is closed.
    pub(crate) fn lock(&self, operation: FlockOperation) -> Result<File, OutputError> {
        let file = self.open_lock()?;
        flock(&file, operation).map_err(|error| failed("lock", &self.root.join(".lock"), error.into()))?;
        Ok(file)
    }

    fn open_lock(&self) -> Result<File, OutputError> {
        let path = self.root.join(".lock");
        create_dir(&self.root)?;
        let file = File::options().create(true).truncate(false).write(true).open(&path);
        file.map_err(|error| failed("open", &path, error))
    }

    /// Removes all files that any worker has staged for these parts of a table, so that nobody can publish them any more.
    pub(crate) fn fence(&self, table: &Table, parts: &BTreeSet<Part>) -> Result<(), OutputError> {
        let names: BTreeSet<&str> = parts.iter().map(Part::file_name).collect();
        for (path, name) in list_dir(&self.staging(table))? {
            if name.split_once('~').is_some_and(|(part, _)| names.contains(part)) {
                remove_file(&path)?;
            }
        }
        Ok(())
    }

    /// Removes the staged files of processes that ended, and tables that a compaction replaced, once they are old.
    pub(crate) fn remove_abandoned(&self) -> Result<(), OutputError> {
        for table in self.tables.iter() {
            for (path, _) in list_dir(&self.staging(table))? {
                if age(&path) > STAGED_MAX_AGE {
                    remove_file(&path)?;
                }
            }
        }
        for (path, _) in list_dir(&self.root.join(".trash"))? {
            if age(&path) > TRASH_MAX_AGE {
                fs::remove_dir_all(&path).map_err(|error| failed("remove", &path, error))?;
            }
        }
        Ok(())
    }
}

/// The day (UTC) of a time.
pub(crate) fn day(time: SystemTime) -> String {
    Timestamp::try_from(time).unwrap_or_default().strftime("%F").to_string()
}

/// Longer than any lease.
const STAGED_MAX_AGE: Duration = Duration::from_secs(2 * 3600);
/// Longer than any reader needs to list a folder and open its files.
const TRASH_MAX_AGE: Duration = Duration::from_secs(600);
