use std::io::Write;
use std::path::{Path, PathBuf};

/// The Python that has the packages of `scripts/requirements.txt`: `BACKPLANE_PYTHON`, or the one that scripts/lib.sh made.
/// Without it `test` cannot be run, which is said past the capture of tests that pass.
#[expect(clippy::disallowed_methods, reason = "tests have no settings of a service")]
pub fn find_python(test: &str) -> Option<PathBuf> {
    let made = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/venv/bin/python3");
    let python = std::env::var_os("BACKPLANE_PYTHON").map_or_else(made, PathBuf::from);
    let is_there = python.exists();
    if !is_there {
        let text =
            format!("NOT RUN: {test} needs BACKPLANE_PYTHON, which scripts/test.sh installs and sets\n");
        // To nobody's harm if it cannot be said.
        let _ = std::io::stderr().write_all(text.as_bytes());
    }
    is_there.then_some(python)
}
