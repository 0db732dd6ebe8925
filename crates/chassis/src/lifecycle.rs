//! The life of a process: signals, draining, grace, exit code.
//!
//! 1. SIGTERM or SIGINT: `/ready` is 404 and [`Lifecycle::draining`] is cancelled; work goes on.
//! 2. `DRAIN_DELAY` later [`Lifecycle::stopping`] is cancelled: every task ends what is under way and returns.
//! 3. When all have, or `DRAIN_TIMEOUT` has passed: exit 0. A second signal ends the process at once.
//!
//! The limit and the second signal hold also while every thread is in a call that blocks. A task that returns or panics
//! before step 2 ends the process with a failure: half a service is worse than none. SIGHUP ends nothing: it runs what
//! [`Lifecycle::on_reload`] was given.

mod reload;
mod signals;

use std::future::Future;
use std::process::ExitCode;
use std::time::Duration;

use prometheus::Registry;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, warn};

use crate::probe::Probes;
use crate::{ProcessSettings, Readiness};
use reload::Reloads;
use signals::StopRules;

pub(crate) use signals::own_process;

/// Owns the tasks of a process and its end.
pub struct Lifecycle {
    readiness: Readiness,
    draining: CancellationToken,
    stopping: CancellationToken,
    tasks: TaskTracker,
    /// Cancelled when a task died.
    failed: CancellationToken,
    reloads: Reloads,
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
            failed: CancellationToken::new(),
            reloads: Reloads::default(),
            delay: settings.drain_delay,
            timeout: settings.drain_timeout,
        }
    }

    /// The process's readiness, for gates and probes.
    pub fn readiness(&self) -> Readiness {
        self.readiness.clone()
    }

    /// The probes of the process, which counts in `registry`. A task takes the samples of the metrics' history.
    pub fn probes(&self, registry: Registry) -> Probes {
        let probes = Probes::new(self.readiness(), registry);
        self.spawn("metrics history", probes.clone().keep_history(self.stopping()));
        probes
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
        let (stopping, failed) = (self.stopping.clone(), self.failed.clone());
        let task = self.tasks.spawn(task);
        self.tasks.spawn(async move {
            match task.await {
                Ok(Ok(())) if stopping.is_cancelled() => return,
                Ok(Ok(())) => error!(task = name, "task {name} ended before the process was stopped"),
                Ok(Err(reason)) => error!(task = name, "task {name} failed: {reason:#}"),
                Err(panic) => error!(task = name, "task {name} panicked: {panic}"),
            }
            failed.cancel();
        });
    }

    /// What SIGHUP reads again: certificates, keys. An error of `read` is logged, and must leave things as they were.
    pub fn on_reload(&self, name: &'static str, read: impl Fn() -> anyhow::Result<()> + Send + 'static) {
        self.reloads.add(name, read);
    }

    /// Waits for a signal or a dead task, then stops everything. The exit code is the process's.
    ///
    /// Under [`chassis::run`](crate::run()) the process ends in time even if this does not return, or what comes after it hangs.
    pub async fn run(self) -> ExitCode {
        let rules = StopRules { delay: self.delay, timeout: self.timeout, failed: self.failed.clone() };
        let stop = match signals::listen(rules, self.reloads.clone()) {
            Ok(stop) => stop,
            Err(reason) => {
                error!("listen for signals: {reason}");
                return ExitCode::FAILURE;
            }
        };
        tokio::select! {
            () = stop.asked.cancelled() => {}
            () = self.failed.cancelled() => {}
        }
        stop.over.run_until_cancelled(self.stop()).await;
        if !signals::owns_process() {
            stop.over.cancel();
        }
        if self.failed.is_cancelled() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }

    async fn stop(&self) {
        let crashed = self.failed.is_cancelled();
        self.readiness.drain();
        self.draining.cancel();
        if !crashed {
            tokio::time::sleep(self.delay).await;
        }
        self.stopping.cancel();
        self.tasks.close();
        if tokio::time::timeout(self.timeout, self.tasks.wait()).await.is_err() {
            warn!("{} tasks did not end within {:?}", self.tasks.len(), self.timeout);
        }
    }
}

#[cfg(test)]
mod tests;
