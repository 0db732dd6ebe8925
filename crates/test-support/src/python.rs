use std::io::Write;
use std::path::{Path, PathBuf};

/// Finds the Python that has the packages of `scripts/requirements.txt`: `BACKPLANE_PYTHON`, or the virtual
/// environment that `scripts/lib.sh` makes in `target`.
///
/// Without it, says on standard error that `test` is not run: the test framework hides what a passing test prints.
#[expect(clippy::disallowed_methods, reason = "tests have no settings of a service")]
pub fn find_python(test: &str) -> Option<PathBuf> {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/venv/bin/python3");
    let python = std::env::var_os("BACKPLANE_PYTHON").map_or_else(default, PathBuf::from);
    let exists = python.exists();
    if !exists {
        say_not_run(&format!("{test} needs BACKPLANE_PYTHON, which scripts/test.sh installs and sets"));
    }
    exists.then_some(python)
}

/// Says on standard error, directly, what is not run and why.
pub(crate) fn say_not_run(what: &str) {
    // Not being able to say it does no harm.
    let _ = std::io::stderr().write_all(format!("NOT RUN: {what}\n").as_bytes());
}
