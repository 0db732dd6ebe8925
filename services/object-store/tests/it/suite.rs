//! opengris-scaler's own test-suite, with this server in place of the released one. It takes minutes: it runs with
//! `OBJECT_STORE_TEST_FULL=1`, or by hand (`tests/peer/suite/run.py`).

use std::path::{Path, PathBuf};

use tokio::process::Command;

use crate::client::size;
use crate::peer::python;

const MANIFEST: &str = env!("CARGO_MANIFEST_DIR");

/// The source distribution, which has the tests.
async fn source(python: &Path) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let source = folder.join("opengris_scaler-2.9.0");
    if !source.exists() {
        let run = async |command: &mut Command| {
            let done = command.current_dir(folder).output().await.unwrap();
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        };
        let download =
            ["-m", "pip", "download", "--no-deps", "--no-binary", ":all:", "opengris-scaler==2.9.0"];
        run(Command::new(python).args(download)).await;
        run(Command::new("tar").args(["xzf", "opengris_scaler-2.9.0.tar.gz"])).await;
    }
    source
}

#[tokio::test(flavor = "multi_thread")]
async fn what_passes_of_scalers_own_tests_with_its_server_passes_with_this_one() {
    if size(0, 1) == 0 {
        return eprintln!("skipped: only with OBJECT_STORE_TEST_FULL=1");
    }
    let Some(python) = python().await else { return };
    let source = source(&python).await;
    let status = Command::new(&python)
        .arg(format!("{MANIFEST}/tests/peer/suite/run.py"))
        .args([Path::new(env!("CARGO_BIN_EXE_object-store")), &source])
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .kill_on_drop(true)
        .status()
        .await;
    assert!(status.unwrap().success(), "a test passes only with the released server");
}
