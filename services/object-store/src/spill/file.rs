//! One content in a file.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

use crate::object::Hash;

/// What the files of this process take.
#[derive(Default)]
pub(super) struct Totals {
    pub(super) files: AtomicU64,
    pub(super) bytes: AtomicU64,
    pub(super) reads: AtomicU64,
}

/// A content in a file, which is removed with this.
pub(crate) struct SpillFile {
    path: PathBuf,
    length: u64,
    hash: Hash,
    totals: Arc<Totals>,
    /// Held by whoever reads it: others who need it wait, and find it in memory.
    pub(crate) reading: tokio::sync::Mutex<()>,
}

/// An object whose content is in a file.
#[derive(Clone)]
pub(crate) struct Spilled {
    /// Number of the content.
    pub(crate) number: u32,
    pub(crate) file: Arc<SpillFile>,
    pub(crate) metadata: Bytes,
}

impl SpillFile {
    pub(super) fn new(path: PathBuf, length: u64, hash: Hash, totals: Arc<Totals>) -> Self {
        totals.files.fetch_add(1, Ordering::Relaxed);
        totals.bytes.fetch_add(length, Ordering::Relaxed);
        Self { path, length, hash, totals, reading: tokio::sync::Mutex::default() }
    }

    /// Bytes.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Reads the content.
    ///
    /// # Errors
    /// When the file is gone, or is not what was written.
    pub(crate) fn read(&self) -> io::Result<Bytes> {
        let data = fs::read(&self.path)?;
        self.totals.reads.fetch_add(1, Ordering::Relaxed);
        match *blake3::hash(&data).as_bytes() == self.hash {
            true => Ok(data.into()),
            false => Err(io::Error::new(io::ErrorKind::InvalidData, "the file is damaged")),
        }
    }
}

impl Drop for SpillFile {
    fn drop(&mut self) {
        // If it fails, the file has gone already, or goes with the folder.
        let _ = fs::remove_file(&self.path);
        self.totals.files.fetch_sub(1, Ordering::Relaxed);
        self.totals.bytes.fetch_sub(self.length, Ordering::Relaxed);
    }
}
