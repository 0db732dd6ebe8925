//! Where files go: a folder or a bucket. Either way a file appears whole, under a name that nothing replaces.

pub mod bucket;
pub mod folder;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::config::OutputSettings;
use crate::game::Row;
use crate::part::{Codec, Part};
use crate::table::{self, Rows, Table};

use bucket::Bucket;
use folder::Folder;

/// The output of a worker.
#[derive(Clone)]
pub enum Output {
    /// A local file system.
    Folder(Folder),
    /// Object storage.
    Bucket(Bucket),
}

/// The content of a part: its rows in each table.
pub struct Content {
    /// Where it goes.
    pub part: Part,
    /// One per table, in the order of [`Table::ALL`].
    pub tables: [Rows; 2],
}

/// Why files could not be written. It is the output's fault, never a game's.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// The output refused.
    #[error("{attempt}: {reason}")]
    Refused {
        /// What was attempted, with the path.
        attempt: String,
        /// What came of it.
        reason: String,
    },
    /// The files set aside were taken away: somebody else finished the job.
    #[error("the files set aside for {0} are gone")]
    Fenced(Part),
}

impl OutputError {
    pub(crate) fn new(attempt: impl Into<String>, reason: impl ToString) -> Self {
        Self::Refused { attempt: attempt.into(), reason: reason.to_string() }
    }
}

impl Output {
    /// The output of these settings. `consumer` names what this process sets aside. Nothing is touched yet.
    ///
    /// # Errors
    /// When a client of the object storage cannot be made of them.
    pub fn new(settings: &OutputSettings, consumer: &str) -> Result<Self, OutputError> {
        match settings.bucket() {
            Some((bucket, prefix)) => Bucket::new(settings, bucket, prefix, consumer).map(Output::Bucket),
            None => Ok(Output::Folder(Folder::new(&settings.etl_output, consumer))),
        }
    }

    /// Writes a little and takes it away again.
    ///
    /// # Errors
    /// When the output cannot be written, with the reason.
    pub async fn probe(&self) -> Result<(), OutputError> {
        match self {
            Output::Folder(folder) => folder.probe().await,
            Output::Bucket(bucket) => bucket.probe().await,
        }
    }

    /// True if every file of the part is there.
    ///
    /// # Errors
    /// When the output cannot be asked.
    pub async fn holds(&self, part: &Part) -> Result<bool, OutputError> {
        match self {
            Output::Folder(folder) => folder.holds(part).await,
            Output::Bucket(bucket) => bucket.holds(part).await,
        }
    }

    /// Makes the files and sets them aside, where no reader looks.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub async fn stage(&self, contents: Vec<Content>) -> Result<Staged, OutputError> {
        match self {
            Output::Folder(folder) => folder.stage(contents).await,
            Output::Bucket(bucket) => bucket.stage(contents).await,
        }
    }

    /// Takes away what was set aside and is not to be published.
    pub async fn discard(&self, staged: Staged) {
        match self {
            Output::Folder(folder) => folder.discard(staged).await,
            Output::Bucket(_) => drop(staged),
        }
    }

    /// Puts files in their places, except where there are some already, and does not return before that would
    /// survive a power cut. The dimension goes before the fact.
    ///
    /// # Errors
    /// When the output refuses, or the files set aside are gone.
    pub async fn publish(&self, staged: Staged) -> Result<(), OutputError> {
        match self {
            Output::Folder(folder) => folder.publish(staged).await,
            Output::Bucket(bucket) => bucket.publish(staged).await,
        }
    }
}

/// Files that are made and not published. A folder holds their bytes; those of a bucket are here.
pub struct Staged {
    /// Told apart from every other set of this process, so that a second attempt does not meet the first.
    set: u64,
    files: BTreeMap<Part, [Vec<u8>; 2]>,
}

impl Staged {
    fn aside(parts: impl IntoIterator<Item = Part>) -> Self {
        Self::with(parts.into_iter().map(|part| (part, Default::default())).collect())
    }

    fn with(files: BTreeMap<Part, [Vec<u8>; 2]>) -> Self {
        static SETS: AtomicU64 = AtomicU64::new(0);
        Self { set: SETS.fetch_add(1, Ordering::Relaxed), files }
    }
}

impl Content {
    /// The rows of some games.
    pub fn new<'a>(part: Part, games: impl IntoIterator<Item = (&'a str, &'a [Row])>) -> Self {
        let mut tables = Table::ALL.map(Rows::new);
        for (game, rows) in games {
            for table in &mut tables {
                table.add(game, rows);
            }
        }
        Self { part, tables }
    }

    fn files(&self) -> Result<[Vec<u8>; 2], OutputError> {
        let codec: Codec = self.part.codec();
        let file = |rows| table::encode(rows, codec).map_err(|error| OutputError::new("encode rows", error));
        let [meta, podium] = &self.tables;
        Ok([file(meta)?, file(podium)?])
    }
}
