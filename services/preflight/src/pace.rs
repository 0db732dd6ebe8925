//! When a run is read. A change after a pause is read at once; changes that follow each other closely are read when they
//! pause, or after [`LONGEST`] if they do not. A run is never read twice at the same time, and always once more after a
//! change that a read under way may have missed.

use std::time::{Duration, Instant};

/// Changes further apart than this are no burst.
pub(crate) const PAUSE: Duration = Duration::from_millis(20);
/// The longest that a change waits for the pause.
pub(crate) const LONGEST: Duration = Duration::from_millis(250);
/// How long a failed read waits for its repetition.
pub(crate) const RETRY: Duration = Duration::from_millis(500);

/// The pace of one run.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    phase: Phase,
    begun: Option<Instant>,
    /// The first and the last change since a read began.
    changes: Option<(Instant, Instant)>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// What was read last is current, as far as is known.
    #[default]
    Quiet,
    /// A read is to come.
    Due,
    /// A read is under way.
    Busy,
}

/// What is to be done for a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Nothing,
    /// Read it.
    Read,
    /// Ask [`Pace::rested`] at that moment.
    Rest(Instant),
}

impl Pace {
    /// The run may have changed.
    pub(crate) fn changed(&mut self, now: Instant) -> Step {
        let first = self.changes.map_or(now, |(first, _)| first);
        self.changes = Some((first, now));
        if self.phase != Phase::Quiet {
            return Step::Nothing;
        }
        self.phase = Phase::Due;
        match self.begun {
            Some(begun) if now < begun + PAUSE => Step::Rest(now + PAUSE),
            _ => Step::Read,
        }
    }

    /// The moment of a [`Step::Rest`] has come.
    pub(crate) fn rested(&self, now: Instant) -> Step {
        match self.changes {
            Some((first, last)) if now < last + PAUSE && now < first + LONGEST => {
                Step::Rest((last + PAUSE).min(first + LONGEST))
            }
            _ => Step::Read,
        }
    }

    /// The read begins.
    pub(crate) fn begins(&mut self, now: Instant) {
        *self = Self { phase: Phase::Busy, begun: Some(now), changes: None };
    }

    /// The read has ended.
    pub(crate) fn ended(&mut self, now: Instant) -> Step {
        if self.changes.is_some() {
            self.phase = Phase::Due;
            self.rested(now)
        } else {
            self.phase = Phase::Quiet;
            Step::Nothing
        }
    }

    /// The read has failed: it is repeated.
    pub(crate) fn failed(&mut self, now: Instant) -> Step {
        self.phase = Phase::Due;
        Step::Rest(now + RETRY)
    }

    /// Whether nothing is under way or to come.
    pub(crate) fn is_quiet(&self) -> bool {
        self.phase == Phase::Quiet
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_change_after_a_pause_is_read_at_once() {
        let now = Instant::now();
        let mut pace = Pace::default();
        for change in [now, now + PAUSE, now + PAUSE * 2] {
            assert_eq!(pace.changed(change), Step::Read);
            pace.begins(change);
            assert_eq!(pace.ended(change + MS), Step::Nothing);
            assert!(pace.is_quiet());
        }
    }

    #[test]
    fn a_burst_is_read_at_its_first_change_and_once_more_when_it_pauses() {
        let now = Instant::now();
        let mut pace = Pace::default();
        assert_eq!(pace.changed(now), Step::Read);
        pace.begins(now);
        assert_eq!(pace.changed(now + MS), Step::Nothing, "a read is under way");
        assert_eq!(pace.ended(now + MS * 2), Step::Rest(now + MS + PAUSE));
        for change in 3..32 {
            assert_eq!(pace.changed(now + MS * change), Step::Nothing, "a read is to come");
        }
        assert_eq!(pace.rested(now + MS + PAUSE), Step::Rest(now + MS * 31 + PAUSE));
        assert_eq!(pace.rested(now + MS * 31 + PAUSE), Step::Read);
        pace.begins(now + MS * 31 + PAUSE);
        assert_eq!(pace.ended(now + MS * 32 + PAUSE), Step::Nothing);
    }

    #[test]
    fn changes_without_a_pause_are_read_all_the_same() {
        let now = Instant::now();
        let mut pace = Pace::default();
        pace.changed(now);
        pace.begins(now);
        for change in 1..27 {
            pace.changed(now + MS * 10 * change);
        }
        assert_eq!(pace.ended(now + MS * 261), Step::Read, "the first change has waited {LONGEST:?}");
    }

    #[test]
    fn a_change_while_a_read_is_under_way_is_never_lost() {
        let now = Instant::now();
        let mut pace = Pace::default();
        pace.changed(now);
        pace.begins(now);
        assert_eq!(pace.changed(now + PAUSE), Step::Nothing);
        assert_eq!(pace.ended(now + PAUSE * 3), Step::Read);
        assert_eq!(pace.changed(now + PAUSE * 3), Step::Nothing);
    }

    #[test]
    fn a_failed_read_is_repeated() {
        let now = Instant::now();
        let mut pace = Pace::default();
        pace.changed(now);
        pace.begins(now);
        assert_eq!(pace.failed(now), Step::Rest(now + RETRY));
        assert_eq!(pace.changed(now + MS), Step::Nothing);
        assert_eq!(pace.rested(now + RETRY), Step::Read);
    }
}
