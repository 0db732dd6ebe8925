//! The life of a process: signals, draining, grace, exit code.
//!
//! 1. SIGTERM or SIGINT: `/ready` is 404 and [`Lifecycle::draining`] is cancelled; work goes on.
//! 2. `DRAIN_DELAY` later [`Lifecycle::stopping`] is cancelled: every task ends what is under way and returns.
//! 3. When all have, or `DRAIN_TIMEOUT` has passed: exit 0. A second signal ends the process at once.
//!
//! A task that returns or panics before step 2 ends the process with a failure: half a service is worse than none.

use std::future::Future;
use std::process::ExitCode;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, info, warn};

use crate::{ProcessSettings, Readiness};

/// Owns the tasks of a process and its end.
pub struct Lifecycle {
    readiness: Readiness,
    draining: CancellationToken,
    stopping: CancellationToken,
    tasks: TaskTracker,
    died: (mpsc::UnboundedSender<()>, mpsc::UnboundedReceiver<()>),
    delay: Duration,
    timeout: Duration,
}

impl Lifecycle {
    /// A process that drains as its settings say.
    pub fn new(settings: &ProcessSettings) -> Self {
        Self {
            readiness: Readiness::default(),
            draining: CancellationToken::new(),
            stopping: CancellationToken::new(),
            tasks: TaskTracker::new(),
            died: mpsc::unbounded_channel(),
            delay: settings.drain_delay,
            timeout: settings.drain_timeout,
        }
    }

    /// The process's readiness, for gates and probes.
    pub fn readiness(&self) -> Readiness {
        self.readiness.clone()
    }

    /// Cancelled when the stop begins: nobody new will be sent here.
    pub fn draining(&self) -> CancellationToken {
        self.draining.clone()
    }

    /// Cancelled when tasks must end what is under way and return.
    pub fn stopping(&self) -> CancellationToken {
        self.stopping.clone()
    }

    /// Runs a task for the life of the process. It returns after [`Lifecycle::stopping`] is cancelled; when it returns
    /// or panics earlier, the process ends with a failure.
    pub fn spawn(&self, name: &'static str, task: impl Future<Output = anyhow::Result<()>> + Send + 'static) {
        let (stopping, died) = (self.stopping.clone(), self.died.0.clone());
        let task = self.tasks.spawn(task);
        self.tasks.spawn(async move {
            match task.await {
                Ok(Ok(())) if stopping.is_cancelled() => return,
                Ok(Ok(())) => error!(task = name, "task {name} ended before the process was stopped"),
                Ok(Err(reason)) => error!(task = name, "task {name} failed: {reason:#}"),
                Err(panic) => error!(task = name, "task {name} panicked: {panic}"),
            }
            // Nobody listens any more when the process is already ending.
            let _ = died.send(());
        });
    }

    /// Waits for a signal or a dead task, then stops everything. The exit code is the process's.
    pub async fn run(self) -> ExitCode {
        match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
            (Ok(terminate), Ok(interrupt)) => self.run_until(terminate, interrupt).await,
            (Err(reason), _) | (_, Err(reason)) => {
                error!("listen for signals: {reason}");
                ExitCode::FAILURE
            }
        }
    }

    async fn run_until(mut self, mut terminate: Signal, mut interrupt: Signal) -> ExitCode {
        let crashed = tokio::select! {
            _ = terminate.recv() => false,
            _ = interrupt.recv() => false,
            _ = self.died.1.recv() => true,
        };
        let stop = async {
            self.readiness.drain();
            self.draining.cancel();
            if !crashed {
                info!("draining for {:?}, then stopping within {:?}", self.delay, self.timeout);
                tokio::time::sleep(self.delay).await;
            }
            self.stopping.cancel();
            self.tasks.close();
            if tokio::time::timeout(self.timeout, self.tasks.wait()).await.is_err() {
                warn!("{} tasks did not end within {:?}", self.tasks.len(), self.timeout);
            }
        };
        tokio::select! {
            () = stop => {}
            _ = terminate.recv() => warn!("second signal: ending at once"),
            _ = interrupt.recv() => warn!("second signal: ending at once"),
        }
        let crashed = crashed || self.died.1.try_recv().is_ok();
        if crashed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        process: ProcessSettings,
    }

    fn lifecycle() -> Lifecycle {
        let cli =
            Cli::parse_from(["test", "--listen-addr=:0", "--drain-delay=10ms", "--drain-timeout=200ms"]);
        Lifecycle::new(&cli.process)
    }

    #[tokio::test]
    async fn a_crashed_task_ends_the_process_with_a_failure_after_the_others_have_ended() {
        let lifecycle = lifecycle();
        let stopping = lifecycle.stopping();
        let (ended, others_end) = tokio::sync::oneshot::channel();
        lifecycle.spawn("steady", async move {
            stopping.cancelled().await;
            ended.send(()).map_err(|()| anyhow::anyhow!("nobody waits"))
        });
        lifecycle.spawn("broken", async { anyhow::bail!("out of luck") });
        assert_eq!(lifecycle.run().await, ExitCode::FAILURE);
        others_end.await.unwrap();
    }

    #[tokio::test]
    async fn a_panicking_task_is_a_crash_and_a_deaf_one_is_left_behind() {
        let lifecycle = lifecycle();
        lifecycle.spawn("deaf", std::future::pending());
        lifecycle.spawn("broken", async { panic!("out of luck") });
        assert_eq!(lifecycle.run().await, ExitCode::FAILURE);
    }
}
