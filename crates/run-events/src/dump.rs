//! The dump file: one JSON object, replaced as a whole.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Replaces the file at `path` with the fields. A reader sees the old file or the new one, never a part of one, even after
/// a crash. A file that is there keeps its mode, and a symbolic link stays one.
pub(crate) fn replace(path: &Path, fields: &BTreeMap<String, String>) -> io::Result<()> {
    let path = target(path)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let permissions = match fs::metadata(&path) {
        Ok(old) => old.permissions(),
        // The mode of a new file, from which the umask is taken.
        Err(_) => Permissions::from_mode(0o666),
    };
    // Its name is random: containers that share the folder may have equal process ids.
    let mut file = tempfile::Builder::new()
        .prefix("redisprep.dump.")
        .suffix(".tmp")
        .permissions(permissions.clone())
        .tempfile_in(folder)?;
    if path.exists() {
        file.as_file().set_permissions(permissions)?;
    }
    file.write_all(&serde_json::to_vec(fields)?)?;
    // Without this, a power failure after the rename could leave an empty file.
    file.as_file().sync_data()?;
    file.persist(&path)?;
    Ok(())
}

/// The file itself, where `path` is a symbolic link to it. The file need not exist.
fn target(path: &Path) -> io::Result<PathBuf> {
    const MOST_LINKS: usize = 40;
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        match fs::read_link(&path) {
            Ok(link) => path = path.parent().unwrap_or(Path::new("")).join(link),
            Err(_) => return Ok(path),
        }
    }
    Err(io::Error::other("too many symbolic links"))
}
