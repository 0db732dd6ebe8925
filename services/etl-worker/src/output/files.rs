//! Operations on local files, with errors that name the operation and the path.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tokio::task::spawn_blocking;

use super::error::OutputError;

/// Runs file operations on a thread that may block.
pub(crate) async fn run_blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, OutputError> + Send + 'static,
) -> Result<T, OutputError> {
    spawn_blocking(work).await.map_err(|error| OutputError::new("work on files", error))?
}

pub(crate) fn failed(what: &str, path: &Path, error: io::Error) -> OutputError {
    OutputError::Failed {
        operation: format!("{what} {}", path.display()),
        is_name: error.kind() == io::ErrorKind::InvalidFilename,
        reason: error.to_string(),
    }
}

pub(crate) fn create_dir(path: &Path) -> Result<(), OutputError> {
    fs::create_dir_all(path).map_err(|error| failed("create the folder", path, error))
}

pub(crate) fn sync_dir(path: &Path) -> Result<(), OutputError> {
    File::open(path).and_then(|dir| dir.sync_all()).map_err(|error| failed("sync", path, error))
}

/// The entries of a folder with their names. Empty if the folder does not exist.
pub(crate) fn list_dir(dir: &Path) -> Result<Vec<(PathBuf, String)>, OutputError> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed("list", dir, error)),
    };
    let named = entries
        .map(|entry| entry.map(|entry| (entry.path(), entry.file_name().to_string_lossy().into_owned())));
    named.collect::<io::Result<_>>().map_err(|error| failed("list", dir, error))
}

/// Removes a file, if it exists.
pub(crate) fn remove_file(path: &Path) -> Result<(), OutputError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", path, error)),
        _ => Ok(()),
    }
}

/// Writes a file and syncs it to disk.
pub(crate) fn write_synced(path: &Path, bytes: &[u8]) -> Result<(), OutputError> {
    let written =
        File::create(path).and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()));
    written.map_err(|error| {
        // An incomplete file is useless, and on a full disk it takes up space.
        let _ = fs::remove_file(path);
        failed("write", path, error)
    })
}

/// How long ago a file was modified.
pub(crate) fn age(path: &Path) -> Duration {
    let modified = fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    modified.and_then(|modified| SystemTime::now().duration_since(modified).ok()).unwrap_or_default()
}
