//! Where the files go: a folder or a bucket. In both, a file appears whole, and nothing ever replaces it.

pub mod bucket;
mod error;
pub mod files;
mod first_rows;
pub mod folder;
pub(crate) mod listing;
mod rename;
mod staged;

use std::collections::BTreeSet;
use std::sync::Arc;

use bucket::Bucket;
use folder::Folder;

use crate::config::OutputSettings;
use crate::part::Part;
use crate::table::{Rows, Table, Tables};

pub use error::{OutputError, RefusedPart};
pub use staged::{PartContent, Staged};

/// The output of a worker.
#[derive(Clone)]
pub enum Output {
    /// A folder of a local file system.
    Folder(Folder),
    /// A bucket of an object storage.
    Bucket(Bucket),
}

impl Output {
    /// The output of these settings for these tables. `process` tells the files that this process stages from
    /// those of others; it must be short, because it is added to names that may be long. Nothing is written yet.
    ///
    /// # Errors
    /// When the settings of the object storage are invalid.
    pub async fn new(settings: &OutputSettings, tables: &Tables, process: &str) -> Result<Self, OutputError> {
        match settings.bucket() {
            Some(address) => Bucket::new(settings, address, tables).await.map(Output::Bucket),
            None => Ok(Output::Folder(Folder::new(settings, tables, process))),
        }
    }

    /// The tables that are written.
    pub fn tables(&self) -> &Tables {
        match self {
            Output::Folder(folder) => folder.tables(),
            Output::Bucket(bucket) => bucket.tables(),
        }
    }

    /// Publishes and removes a small file, to find out whether the output can be written.
    ///
    /// # Errors
    /// When it cannot, with the reason.
    pub async fn probe(&self) -> Result<(), OutputError> {
        match self {
            Output::Folder(folder) => folder.probe().await,
            Output::Bucket(bucket) => bucket.probe().await,
        }
    }

    /// True if the part is published: its file exists in every table. Never where a table has partitions: which files a part
    /// has there is known only from its rows.
    ///
    /// # Errors
    /// When the output cannot be read.
    pub async fn exists(&self, part: &Part) -> Result<bool, OutputError> {
        match self {
            _ if self.tables().iter().any(|table| !table.partition().is_empty()) => Ok(false),
            Output::Folder(folder) => folder.exists(part).await,
            Output::Bucket(bucket) => bucket.exists(part).await,
        }
    }

    /// Encodes the files and stages them where no reader looks.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub async fn stage(&self, contents: Vec<PartContent>) -> Result<Staged, OutputError> {
        match self {
            Output::Folder(folder) => folder.stage(contents).await,
            Output::Bucket(bucket) => bucket.stage(contents).await,
        }
    }

    /// The published files of these names in the tables with partitions, as the names of their tables and their paths there.
    ///
    /// # Errors
    /// When the output cannot be listed.
    pub async fn find(&self, names: BTreeSet<String>) -> Result<BTreeSet<(String, Part)>, OutputError> {
        let mut found = BTreeSet::new();
        if names.is_empty() {
            return Ok(found);
        }
        for table in self.tables().iter().filter(|table| !table.partition().is_empty()) {
            let parts: BTreeSet<Part> = match self {
                Output::Folder(folder) => {
                    let (folder, table) = (folder.clone(), Arc::clone(table));
                    files::run_blocking(move || folder.parts(&table)).await?
                }
                Output::Bucket(bucket) => bucket.parts(table).await?.into_keys().collect(),
            };
            let named = parts.into_iter().filter(|part| names.contains(part.file_name()));
            found.extend(named.map(|part| (table.name().to_owned(), part)));
        }
        Ok(found)
    }

    /// Reads the first rows of a published file of a table, and how many it has. `None` if it is gone.
    ///
    /// # Errors
    /// When the output cannot be read, or the file is none of this table.
    pub async fn read_first(
        &self,
        table: &Arc<Table>,
        part: &Part,
    ) -> Result<Option<(Rows, u64)>, OutputError> {
        match self {
            Output::Folder(folder) => folder.read_first(table, part).await,
            Output::Bucket(bucket) => bucket.read_first(table, part).await,
        }
    }

    /// Removes staged files that will not be published.
    pub async fn discard(&self, staged: Staged) {
        match self {
            Output::Folder(folder) => folder.discard(staged).await,
            Output::Bucket(_) => drop(staged),
        }
    }

    /// Publishes staged files, the dimension before the fact. A file that exists already is kept. When this returns, the
    /// files would survive a power cut.
    ///
    /// # Errors
    /// When the output cannot be written, or someone removed the staged files.
    pub async fn publish(&self, staged: Staged) -> Result<(), OutputError> {
        match self {
            Output::Folder(folder) => folder.publish(staged).await,
            Output::Bucket(bucket) => bucket.publish(staged).await,
        }
    }

    /// Removes the staged files of processes that ended, and folders that a compaction replaced, once they are old.
    ///
    /// # Errors
    /// When the output cannot be read or written.
    pub async fn remove_abandoned(&self) -> Result<(), OutputError> {
        match self {
            Output::Folder(folder) => {
                let folder = folder.clone();
                files::run_blocking(move || folder.remove_abandoned()).await
            }
            // A bucket has no staged files, and a compaction removes its old snapshots itself.
            Output::Bucket(_) => Ok(()),
        }
    }
}
