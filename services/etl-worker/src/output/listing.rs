//! The files of a table's folder.

use std::collections::BTreeSet;
use std::path::Path;

use super::error::OutputError;
use super::files::{list_dir, sync_dir};

/// The paths of all files in a table's folder and below it, except the probe files that workers create for a moment.
pub(crate) fn list_files(table: &Path) -> Result<BTreeSet<String>, OutputError> {
    let mut files = BTreeSet::new();
    for (path, name) in list_dir(table)? {
        if path.is_dir() {
            files.extend(list_files(&path)?.into_iter().map(|file| format!("{name}/{file}")));
        } else if !name.starts_with(PROBE_PREFIX) {
            files.insert(name);
        }
    }
    Ok(files)
}

/// Syncs a folder and all below it.
pub(crate) fn sync_tree(dir: &Path) -> Result<(), OutputError> {
    for (path, _) in list_dir(dir)?.iter().filter(|(path, _)| path.is_dir()) {
        sync_tree(path)?;
    }
    sync_dir(dir)
}

/// The prefix of the names of probe files.
pub(crate) const PROBE_PREFIX: &str = ".probe~";
