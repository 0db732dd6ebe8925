//! The files that a worker published last, for the page.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use jiff::Timestamp;
use parking_lot::Mutex;
use serde::Serialize;

use crate::part::Part;
use crate::table::Rows;

/// The files that this worker published last. Cloning shares them.
#[derive(Clone, Default)]
pub struct RecentFiles(Arc<Mutex<VecDeque<PublishedFile>>>);

/// A file that was published, in each table.
#[derive(Debug, Clone, Serialize)]
pub struct PublishedFile {
    /// Its name. It may be in several folders of a table.
    pub file: String,
    /// The number of sessions in it.
    pub games: usize,
    /// The number of its rows, of all tables.
    pub rows: usize,
    /// When it was published, in RFC 3339.
    pub when: String,
    /// Where it is in each table, at most 20 places.
    pub places: Vec<Place>,
}

/// A file of a table.
#[derive(Debug, Clone, Serialize)]
pub struct Place {
    /// The table.
    pub table: String,
    /// Its path in the table's folder.
    pub path: String,
    /// The number of rows in it.
    pub rows: usize,
}

impl RecentFiles {
    /// Adds a file that was published now, with the rows of so many games, and forgets the oldest.
    pub fn add<'r>(&self, part: &Part, games: usize, rows: impl Iterator<Item = &'r Rows>) {
        let mut places = BTreeMap::new();
        for rows in rows {
            *places.entry((rows.table.name(), rows.folder.as_str())).or_insert(0) += rows.len();
        }
        let rows: usize = places.values().sum();
        let place = |((table, folder), rows): ((&str, &str), usize)| Place {
            table: table.to_owned(),
            path: part.path_in(folder),
            rows,
        };
        let places = places.into_iter().take(MAX_PLACES).map(place).collect();
        let mut files = self.0.lock();
        files.truncate(MAX_FILES - 1);
        files.push_front(PublishedFile {
            file: part.file_name().to_owned(),
            games,
            rows,
            when: Timestamp::now().to_string(),
            places,
        });
    }

    /// The files, the youngest first.
    pub fn list(&self) -> Vec<PublishedFile> {
        self.0.lock().iter().cloned().collect()
    }
}

const MAX_FILES: usize = 50;
const MAX_PLACES: usize = 20;
