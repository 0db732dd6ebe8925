//! Decides when a run is read: a debounce with a leading and a trailing edge.
//!
//! A change after a quiet period is read at once. Changes that follow each other closely are read together:
//! when they have paused for [`DEBOUNCE`], or [`MAX_WAIT`] after the first of them if they do not pause. A
//! run is never read twice at the same time. A read under way may miss a change that comes meanwhile, so such
//! a change always leads to one more read.

use std::time::{Duration, Instant};

/// Changes further apart than this are not a burst.
pub(crate) const DEBOUNCE: Duration = Duration::from_millis(20);
/// The longest that a change waits for the burst to pause.
pub(crate) const MAX_WAIT: Duration = Duration::from_millis(250);
/// The pause after a failed read.
pub(crate) const RETRY_DELAY: Duration = Duration::from_millis(500);

/// The schedule of one run.
#[derive(Debug, Default)]
pub(crate) struct ReadScheduler {
    state: State,
    last_read_started: Option<Instant>,
    /// The first and the last change since the last read started.
    changes: Option<(Instant, Instant)>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    /// No change is known that has not been read.
    #[default]
    Idle,
    /// A read waits for a timer or for a free slot.
    Scheduled,
    /// A read is in flight.
    Reading,
}

/// What the caller has to do for the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadAction {
    Nothing,
    /// Read it.
    Read,
    /// Call [`ReadScheduler::on_timer`] at that time.
    SetTimer(Instant),
}

impl ReadScheduler {
    /// The run may have changed.
    pub(crate) fn on_change(&mut self, now: Instant) -> ReadAction {
        let first = self.changes.map_or(now, |(first, _)| first);
        self.changes = Some((first, now));
        if self.state != State::Idle {
            return ReadAction::Nothing;
        }
        self.state = State::Scheduled;
        match self.last_read_started {
            Some(started) if now < started + DEBOUNCE => ReadAction::SetTimer(now + DEBOUNCE),
            _ => ReadAction::Read,
        }
    }

    /// The timer of a [`ReadAction::SetTimer`] has fired.
    pub(crate) fn on_timer(&self, now: Instant) -> ReadAction {
        match self.changes {
            Some((first, last)) if now < last + DEBOUNCE && now < first + MAX_WAIT => {
                ReadAction::SetTimer((last + DEBOUNCE).min(first + MAX_WAIT))
            }
            _ => ReadAction::Read,
        }
    }

    /// A read starts.
    pub(crate) fn on_read_started(&mut self, now: Instant) {
        *self = Self { state: State::Reading, last_read_started: Some(now), changes: None };
    }

    /// The read has succeeded.
    pub(crate) fn on_read_finished(&mut self, now: Instant) -> ReadAction {
        if self.changes.is_some() {
            self.state = State::Scheduled;
            self.on_timer(now)
        } else {
            self.state = State::Idle;
            ReadAction::Nothing
        }
    }

    /// The read has failed. It is tried again.
    pub(crate) fn on_read_failed(&mut self, now: Instant) -> ReadAction {
        self.state = State::Scheduled;
        ReadAction::SetTimer(now + RETRY_DELAY)
    }

    /// Whether no read is scheduled or in flight.
    pub(crate) fn is_idle(&self) -> bool {
        self.state == State::Idle
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_change_after_a_quiet_period_is_read_at_once() {
        let now = Instant::now();
        let mut scheduler = ReadScheduler::default();
        for change in [now, now + DEBOUNCE, now + DEBOUNCE * 2] {
            assert_eq!(scheduler.on_change(change), ReadAction::Read);
            scheduler.on_read_started(change);
            assert_eq!(scheduler.on_read_finished(change + MS), ReadAction::Nothing);
            assert!(scheduler.is_idle());
        }
    }

    #[test]
    fn a_burst_is_read_at_its_first_change_and_once_more_when_it_pauses() {
        let now = Instant::now();
        let mut scheduler = ReadScheduler::default();
        assert_eq!(scheduler.on_change(now), ReadAction::Read);
        scheduler.on_read_started(now);
        assert_eq!(scheduler.on_change(now + MS), ReadAction::Nothing, "a read is in flight");
        assert_eq!(scheduler.on_read_finished(now + MS * 2), ReadAction::SetTimer(now + MS + DEBOUNCE));
        for change in 3..32 {
            assert_eq!(scheduler.on_change(now + MS * change), ReadAction::Nothing, "a read is scheduled");
        }
        let pause = now + MS * 31 + DEBOUNCE;
        assert_eq!(scheduler.on_timer(now + MS + DEBOUNCE), ReadAction::SetTimer(pause));
        assert_eq!(scheduler.on_timer(pause), ReadAction::Read);
        scheduler.on_read_started(pause);
        assert_eq!(scheduler.on_read_finished(now + MS * 32 + DEBOUNCE), ReadAction::Nothing);
    }

    #[test]
    fn changes_that_never_pause_are_read_after_the_longest_wait() {
        let now = Instant::now();
        let mut scheduler = ReadScheduler::default();
        scheduler.on_change(now);
        scheduler.on_read_started(now);
        for change in 1..27 {
            scheduler.on_change(now + MS * 10 * change);
        }
        let finished = scheduler.on_read_finished(now + MS * 261);
        assert_eq!(finished, ReadAction::Read, "the first change has waited {MAX_WAIT:?}");
    }

    #[test]
    fn a_change_during_a_read_is_never_lost() {
        let now = Instant::now();
        let mut scheduler = ReadScheduler::default();
        scheduler.on_change(now);
        scheduler.on_read_started(now);
        assert_eq!(scheduler.on_change(now + DEBOUNCE), ReadAction::Nothing);
        assert_eq!(scheduler.on_read_finished(now + DEBOUNCE * 3), ReadAction::Read);
        assert_eq!(scheduler.on_change(now + DEBOUNCE * 3), ReadAction::Nothing);
    }

    #[test]
    fn a_failed_read_is_tried_again() {
        let now = Instant::now();
        let mut scheduler = ReadScheduler::default();
        scheduler.on_change(now);
        scheduler.on_read_started(now);
        assert_eq!(scheduler.on_read_failed(now), ReadAction::SetTimer(now + RETRY_DELAY));
        assert_eq!(scheduler.on_change(now + MS), ReadAction::Nothing);
        assert_eq!(scheduler.on_timer(now + RETRY_DELAY), ReadAction::Read);
    }
}
