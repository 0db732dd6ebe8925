//! Logs which runs cannot be watched. Anybody can ask for them all the time, so it is one line a minute.

use std::time::{Duration, Instant};

use redis_core::id::RunId;
use tracing::warn;

use crate::run_refusal::RunRefusal;

/// The shortest time between two lines.
const INTERVAL: Duration = Duration::from_secs(60);

#[derive(Default)]
pub(super) struct RefusalLog {
    last: Option<Instant>,
    count: u64,
}

impl RefusalLog {
    /// A run was read, or was to be read, and cannot be watched.
    pub(super) fn note(&mut self, run: &RunId, refusal: RunRefusal, now: Instant) {
        self.count += 1;
        if self.last.is_none_or(|last| now >= last + INTERVAL) {
            self.last = Some(now);
            let count = std::mem::take(&mut self.count);
            warn!(run.id = %run, "runs that cannot be watched were refused {count} times; the last is {run}: {refusal}");
        }
    }
}
