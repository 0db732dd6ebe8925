//! The chassis as a process: the tests run `examples/demo.rs`.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod access;
mod drain;
mod http;
mod reload;
mod settings;
mod traces;

use std::path::{Path, PathBuf};
use std::process::Output;

use test_support::ServiceProcess;
use tokio::process::Command;

/// The demo service. Cargo builds it beside the tests.
fn binary() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    tests.parent().and_then(Path::parent).unwrap().join("examples/demo")
}

/// A running demo service with its secret set.
async fn start(vars: &[(&str, &str)]) -> ServiceProcess {
    let vars = [&[("REDIS_PASSWORD", "hush")], vars].concat();
    ServiceProcess::start(binary().to_str().unwrap(), &vars).await
}

/// Runs the demo service with these variables and arguments only, in this folder, until it ends by itself.
async fn run(dir: &Path, vars: &[(&str, &str)], args: &[&str]) -> Output {
    let mut command = Command::new(binary());
    command.current_dir(dir).env_clear().envs(vars.iter().copied()).args(args).kill_on_drop(true);
    command.output().await.unwrap()
}

/// The exit code and standard error of [`run`], in an empty folder.
async fn refusal(vars: &[(&str, &str)], args: &[&str]) -> (Option<i32>, String) {
    let dir = tempfile::tempdir().unwrap();
    let output = run(dir.path(), vars, args).await;
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}
