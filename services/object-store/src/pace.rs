//! How fast a client has to send or take an object. Who is too slow is disconnected, sooner if others wait for the memory.

use std::time::{Duration, Instant};

/// Bytes that a client has to move within the stall timeout.
pub(crate) const MIN_PROGRESS: usize = 256 << 10;
/// While others wait, the time is this part of the stall timeout, and an object is to take no more than this many of it.
const CONTENDED_PART: u32 = 20;
const CONTENDED_STEPS: usize = 16;

/// The pace of one transfer.
pub(crate) struct Pace {
    stall_timeout: Duration,
    /// Bytes of the whole transfer.
    length: usize,
    moved: usize,
    last_step: Step,
    /// The same while others wait.
    last_contended_step: Option<Step>,
}

#[derive(Clone, Copy)]
struct Step {
    at: Instant,
    moved: usize,
}

impl Pace {
    pub(crate) fn new(stall_timeout: Duration, length: usize) -> Self {
        let last_step = Step { at: Instant::now(), moved: 0 };
        Self { stall_timeout, length, moved: 0, last_step, last_contended_step: None }
    }

    /// The client was not waited for until now.
    pub(crate) fn resume(&mut self) {
        self.last_step = self.now();
        self.last_contended_step = None;
    }

    pub(crate) fn add(&mut self, bytes: usize) {
        self.moved += bytes;
    }

    /// How often to check while nothing moves.
    pub(crate) fn interval(&self) -> Duration {
        (self.stall_timeout / (2 * CONTENDED_PART)).clamp(Duration::from_millis(20), Duration::from_secs(1))
    }

    /// True if the client is too slow. `contended_for` is the time for which others have been waiting.
    pub(crate) fn is_too_slow(&mut self, contended_for: Option<Duration>) -> bool {
        let now = self.now();
        if now.moved - self.last_step.moved >= MIN_PROGRESS {
            self.last_step = now;
        }
        if now.at - self.last_step.at >= self.stall_timeout {
            return true;
        }
        if contended_for.is_none() {
            self.last_contended_step = None;
            return false;
        }
        let last = self.last_contended_step.get_or_insert(now);
        if now.moved - last.moved >= MIN_PROGRESS.max(self.length / CONTENDED_STEPS) {
            *last = now;
        }
        now.at - last.at >= self.stall_timeout / CONTENDED_PART
    }

    fn now(&self) -> Step {
        Step { at: Instant::now(), moved: self.moved }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waited(pace: &mut Pace, time: Duration) {
        pace.last_step.at -= time;
        if let Some(step) = &mut pace.last_contended_step {
            step.at -= time;
        }
    }

    #[test]
    fn who_moves_too_little_is_too_slow_and_sooner_while_others_wait() {
        let second = Duration::from_secs(1);
        let mut pace = Pace::new(60 * second, 1 << 30);
        waited(&mut pace, 59 * second);
        pace.add(MIN_PROGRESS);
        assert!(!pace.is_too_slow(None));
        assert!(!pace.is_too_slow(Some(second)), "others wait from now on");
        waited(&mut pace, 2 * second);
        pace.add(1 << 26);
        assert!(!pace.is_too_slow(Some(second)), "a sixteenth of the whole");
        waited(&mut pace, 4 * second);
        pace.add(MIN_PROGRESS);
        assert!(pace.is_too_slow(Some(second)));
        assert!(!pace.is_too_slow(None));
        waited(&mut pace, 61 * second);
        assert!(pace.is_too_slow(None));
        pace.resume();
        assert!(!pace.is_too_slow(None));
    }
}
