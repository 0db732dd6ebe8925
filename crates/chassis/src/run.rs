//! What every `main` does: logs, the runtime, the service, and the exit code.

use std::future::Future;
use std::process::ExitCode;

use anyhow::Context;
use tokio::runtime::Runtime;
use tracing::error;

use crate::{Settings, telemetry};

/// Runs a service from its settings to its exit code.
///
/// Whatever ends the process is one event of the log, in the format that `LOG_FORMAT` asks for. Threads that are still
/// in a blocking call when `app` returns are left behind: `DRAIN_TIMEOUT` has been granted to them already.
pub fn run<S: Settings, F>(config: S, app: impl FnOnce(S) -> F) -> ExitCode
where
    F: Future<Output = anyhow::Result<ExitCode>>,
{
    telemetry::init(config.process());
    let ended = Runtime::new().context("start the runtime").and_then(|runtime| {
        let ended = runtime.block_on(app(config));
        runtime.shutdown_background();
        ended
    });
    ended.unwrap_or_else(|reason| {
        error!("{reason:#}");
        ExitCode::FAILURE
    })
}
