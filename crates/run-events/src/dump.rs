//! The dump file: one JSON object, replaced as a whole.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;
use std::{fs, process};

/// Replaces `path` by the fields. A reader sees the old file or the new one, never a part, whatever happens meanwhile.
pub(crate) fn write(path: &Path, fields: &BTreeMap<String, String>) -> io::Result<()> {
    // The process id keeps two producers of one run from writing into each other's file.
    let beside = path.with_extension(format!("dump.{}.tmp", process::id()));
    let written = write_and_sync(&beside, fields).and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written
}

fn write_and_sync(path: &Path, fields: &BTreeMap<String, String>) -> io::Result<()> {
    let mut file = fs::File::create(path)?;
    file.write_all(&serde_json::to_vec(fields)?)?;
    // Without it a power cut after the rename could leave an empty file.
    file.sync_data()
}
