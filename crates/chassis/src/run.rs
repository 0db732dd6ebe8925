//! What every `main` does: logs, the runtime, the service, and the exit code.

use std::future::Future;
use std::process::ExitCode;

use anyhow::Context;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tracing::error;

use crate::lifecycle::own_process;
use crate::{Settings, open_files, settings, telemetry, traces};

/// Runs a service from its settings to its exit code.
///
/// Whatever ends the process is one event of the log, in the format that `LOG_FORMAT` asks for. Threads that are still
/// in a blocking call when `app` returns are left behind: `DRAIN_TIMEOUT` has been granted to them already. Before `app`
/// starts, the soft limit of open files is raised to the hard one, and what looks wrong in the settings is logged.
pub fn run<S: Settings, F>(config: S, app: impl FnOnce(S) -> F) -> ExitCode
where
    F: Future<Output = anyhow::Result<ExitCode>>,
{
    let ended = telemetry::init(S::SERVICE, config.process()).and_then(|()| {
        settings::warn_of_typos::<S>();
        open_files::raise_limit();
        if let Some(connections) = config.max_connections() {
            open_files::compare(S::SERVICE, connections);
        }
        let runtime = Runtime::new().context("start the runtime")?;
        // Whoever asks for it, from here on SIGHUP does not end the process.
        let _hangup = {
            let _context = runtime.enter();
            signal(SignalKind::hangup()).context("listen for signals")?
        };
        let ended = runtime.block_on(own_process(app(config)));
        traces::stop();
        runtime.shutdown_background();
        ended
    });
    ended.unwrap_or_else(|reason| {
        error!("{reason:#}");
        ExitCode::FAILURE
    })
}
