//! The signals of a process, on a thread and a runtime of their own. So they are heard, and the time limit of a stop holds,
//! also while every thread of the service's runtime is busy or blocked.

use std::future::Future;
use std::io;
use std::process::exit;
use std::time::Duration;

use rustix::process::{getpid, kill_process};
use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::reload::Reloads;

tokio::task_local! {
    static OWNS_PROCESS: ();
}

/// Runs a service that is the whole process. When it has been told to stop, the process ends in time whatever it does.
pub(crate) fn own_process<F: Future>(service: F) -> impl Future<Output = F::Output> {
    OWNS_PROCESS.scope((), service)
}

/// Whether the running task is that of [`own_process`].
pub(super) fn owns_process() -> bool {
    OWNS_PROCESS.try_with(|()| ()).is_ok()
}

/// How a service stops.
pub(super) struct StopRules {
    pub(super) delay: Duration,
    pub(super) timeout: Duration,
    /// Cancelled when the service failed by itself.
    pub(super) failed: CancellationToken,
}

/// What a service is told, and tells.
#[derive(Clone, Default)]
pub(super) struct Stop {
    /// Cancelled by SIGTERM or SIGINT.
    pub(super) asked: CancellationToken,
    /// Cancelled by another signal or after the time limit, if the process goes on then; or by the service, when it has
    /// stopped.
    pub(super) over: CancellationToken,
}

/// Starts the thread.
///
/// When it has heard a signal, or the service has failed, it grants the time of `rules`. Then, or by another signal, it ends
/// the process if that is the service's [own](own_process).
pub(super) fn listen(rules: StopRules, reloads: Reloads) -> io::Result<Stop> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let signals = {
        let _context = runtime.enter();
        Signals::new(reloads)?
    };
    let stop = Stop::default();
    let (ends_process, told) = (owns_process(), stop.clone());
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let over = told.over.clone();
        let end = runtime.block_on(over.run_until_cancelled_owned(wait_for_end(signals, rules, told.asked)));
        if ends_process && let Some((reason, code)) = end {
            end_now(reason, code);
        }
        told.over.cancel();
    })?;
    Ok(stop)
}

/// Returns when there is no more time, with the reason and the exit code.
async fn wait_for_end(mut signals: Signals, rules: StopRules, asked: CancellationToken) -> (String, i32) {
    let limit = tokio::select! {
        () = signals.stop() => {
            info!("draining for {:?}, then stopping within {:?}", rules.delay, rules.timeout);
            rules.delay + rules.timeout
        }
        () = rules.failed.cancelled() => rules.timeout,
    };
    asked.cancel();
    let reason = tokio::select! {
        () = tokio::time::sleep(limit + GRACE) => format!("not ended within {limit:?}"),
        () = signals.stop() => "second signal".to_owned(),
    };
    (reason, i32::from(rules.failed.is_cancelled()))
}

/// Exits; if that hangs, because nobody reads the log or in a library's exit handler, kills the process.
fn end_now(reason: String, code: i32) {
    std::thread::spawn(move || {
        warn!("{reason}: ending at once");
        exit(code)
    });
    std::thread::sleep(TIME_TO_EXIT);
    // It can only fail if the process is gone.
    let _ = kill_process(getpid(), rustix::process::Signal::KILL);
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    reloads: Reloads,
}

impl Signals {
    fn new(reloads: Reloads) -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            reloads,
        })
    }

    /// Waits for the next signal to stop. Meanwhile SIGHUP reads again.
    async fn stop(&mut self) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hangup.recv() => {
                    let reloads = self.reloads.clone();
                    // A file may be on a disk that hangs.
                    tokio::task::spawn_blocking(move || reloads.run());
                }
            }
        }
    }
}

/// What the service gets to return and to be cleaned up, after `DRAIN_TIMEOUT` has passed.
const GRACE: Duration = Duration::from_millis(500);
const TIME_TO_EXIT: Duration = Duration::from_millis(300);
