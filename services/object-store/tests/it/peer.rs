//! The real peer: an unmodified opengris-scaler cluster from PyPI. Without Python or PyPI these tests say so and pass.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use test_support::TestRedis;
use tokio::process::Command;
use tokio::sync::OnceCell;

use crate::client::Node;

/// A Python with opengris-scaler 2.9.0: that of scripts/test.sh, or one made once under the target directory.
async fn python() -> Option<PathBuf> {
    static PYTHON: OnceCell<Option<PathBuf>> = OnceCell::const_new();
    PYTHON.get_or_init(install).await.clone()
}

async fn install() -> Option<PathBuf> {
    if let Some((_, python)) = std::env::vars_os().find(|(name, _)| name == "BACKPLANE_PYTHON") {
        let has_scaler = Command::new(&python).args(["-c", "import scaler"]).output().await;
        return has_scaler.is_ok_and(|done| done.status.success()).then(|| python.into());
    }
    let venv = Path::new(env!("CARGO_TARGET_TMPDIR")).join("opengris-scaler-2.9.0");
    let python = venv.join("bin/python");
    let installed = venv.join("installed");
    if installed.exists() {
        return Some(python);
    }
    let run = async |command: &mut Command| {
        let done = command.stdin(Stdio::null()).output().await.ok()?;
        done.status.success().then_some(())
    };
    run(Command::new("python3").args(["-m", "venv"]).arg(&venv)).await?;
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "opengris-scaler==2.9.0"])).await?;
    std::fs::write(installed, "").ok()?;
    Some(python)
}

fn scale() -> usize {
    let variable = std::env::vars().find(|(name, _)| name == "OBJECT_STORE_TEST_SCALE");
    variable.map_or(1, |(_, text)| text.parse().unwrap())
}

/// Computes with scheduler, workers and client on these nodes.
async fn computes(python: &Path, [scheduler, workers, client]: [&Node; 3]) {
    let stores = [scheduler, workers, client].map(|node| format!("tcp://127.0.0.1:{}", node.port));
    let output = Command::new(python)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peer/cluster.py"))
        .args(stores)
        .args(["--tasks", &(300 * scale()).to_string(), "--largest", &(4_000_000 * scale()).to_string()])
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.contains("all results were right"), "{said}");
    eprintln!("{}", String::from_utf8_lossy(&output.stdout));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unmodified_cluster_computes_with_objects_in_memory() {
    let Some(python) = python().await else {
        return eprintln!("skipped: no opengris-scaler can be had here");
    };
    let node = Node::memory(&[]).await;
    computes(&python, [&node; 3]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unmodified_cluster_computes_over_three_nodes_on_one_redis() {
    let Some(python) = python().await else {
        return eprintln!("skipped: no opengris-scaler can be had here");
    };
    let redis = TestRedis::start().await;
    let nodes = [Node::redis(&redis).await, Node::redis(&redis).await, Node::redis(&redis).await];
    computes(&python, nodes.each_ref()).await;
}
