//! The files that a worker published last, for the page.

use std::collections::VecDeque;
use std::sync::Arc;

use jiff::Timestamp;
use parking_lot::Mutex;
use serde::Serialize;

use crate::part::Part;

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
}

impl RecentFiles {
    /// Adds a file that was published now, and forgets the oldest.
    pub fn add(&self, part: &Part, games: usize, rows: usize) {
        let mut files = self.0.lock();
        files.truncate(MAX_FILES - 1);
        files.push_front(PublishedFile {
            file: part.file_name().to_owned(),
            games,
            rows,
            when: Timestamp::now().to_string(),
        });
    }

    /// The files, the youngest first.
    pub fn list(&self) -> Vec<PublishedFile> {
        self.0.lock().iter().cloned().collect()
    }
}

const MAX_FILES: usize = 50;
