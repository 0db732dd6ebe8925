//! What a worker logs.

use test_support::{ServiceProcess, eventually};

/// Waits until a worker has logged this. What it logs follows what its pages and metrics say a moment later.
pub(crate) async fn wait_for_log(worker: &ServiceProcess, text: &str) {
    eventually(&format!("it logs {text}"), async || worker.log().contains(text)).await;
}

/// Waits until a worker gives this reason, and checks that it is one line of its log, without what the storage wrote.
pub(crate) async fn wait_for_one_line(worker: &ServiceProcess, reason: &str) {
    wait_for_log(worker, reason).await;
    let log = worker.log();
    let lines = log.lines().filter(|line| line.contains(reason)).count();
    assert!(lines == 1 && !log.contains("<Error>") && !log.contains("panicked"), "{log}");
}
