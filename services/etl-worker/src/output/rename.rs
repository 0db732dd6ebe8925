use std::fs;
use std::io;
use std::path::Path;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

/// Gives a file its final name, unless there is a file of that name: then it fails with `AlreadyExists`.
///
/// NFS, FUSE and older ZFS cannot rename without replacing. There the file gets a second name, and then loses the first.
pub(crate) fn rename_without_replacing(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // What the kernel and a sandbox say of a call that they do not know.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::PERM) => {
            fs::hard_link(from, to)?;
            fs::remove_file(from)
        }
        renamed => Ok(renamed?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_never_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let [from, to] = ["from", "to"].map(|name| dir.path().join(name));
        fs::write(&from, "new").unwrap();
        rename_without_replacing(&from, &to).unwrap();
        assert!(!from.exists());
        fs::write(&from, "newer").unwrap();
        let error = rename_without_replacing(&from, &to).unwrap_err();
        assert_eq!(
            (error.kind(), fs::read_to_string(&to).unwrap().as_str()),
            (io::ErrorKind::AlreadyExists, "new")
        );
    }
}
