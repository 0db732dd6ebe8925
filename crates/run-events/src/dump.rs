//! The dump file: one JSON object, replaced as a whole.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;
use std::{fs, process};

/// Replaces the file at `path` with the fields. A reader sees the old file or the new one, never a part of one, even after
/// a crash.
pub(crate) fn replace(path: &Path, fields: &BTreeMap<String, String>) -> io::Result<()> {
    // With the process id in its name, two producers of one run do not write to the same temporary file.
    let temporary = path.with_extension(format!("dump.{}.tmp", process::id()));
    let result = write_and_sync(&temporary, fields).and_then(|()| fs::rename(&temporary, path));
    if result.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    result
}

fn write_and_sync(path: &Path, fields: &BTreeMap<String, String>) -> io::Result<()> {
    let mut file = fs::File::create(path)?;
    file.write_all(&serde_json::to_vec(fields)?)?;
    // Without this, a power failure after the rename could leave an empty file.
    file.sync_data()
}
