//! The signals of a process, on a thread and a runtime of their own. So they are heard, and the time limit of a stop holds,
//! also while every thread of the service's runtime is busy or blocked.

use std::io;
use std::process::exit;
use std::time::Duration;

use rustix::process::{getpid, kill_process};
use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::reload::Reloads;

/// How a process stops.
pub(super) struct StopRules {
    pub(super) delay: Duration,
    pub(super) timeout: Duration,
    /// Cancelled when the service failed by itself.
    pub(super) failed: CancellationToken,
}

/// Starts the thread. The token is cancelled by SIGTERM or SIGINT.
///
/// From then on, or from the failure on, the process ends within the time that `rules` grant, and at once by another signal.
pub(super) fn listen(rules: StopRules, reloads: Reloads) -> io::Result<CancellationToken> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let signals = {
        let _context = runtime.enter();
        Signals::new(reloads)?
    };
    let asked = CancellationToken::new();
    let stop = asked.clone();
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || runtime.block_on(end(signals, rules, stop)))?;
    Ok(asked)
}

async fn end(mut signals: Signals, rules: StopRules, asked: CancellationToken) {
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
    end_now(reason, i32::from(rules.failed.is_cancelled()));
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
