//! How many messages may be in flight, and when the next may follow.

use std::time::{Duration, Instant};

/// Begins with one message after trouble, and opens by one with each that the broker accepts. So when the broker ends the
/// connection again, few messages can have been the cause.
pub(super) struct Flow {
    /// What is allowed now.
    open: usize,
    pause: Duration,
    resume_at: Option<Instant>,
}

impl Flow {
    pub(super) fn new() -> Self {
        Self { open: usize::MAX, pause: MIN_PAUSE, resume_at: None }
    }

    /// A session begins.
    pub(super) fn begin(&mut self) {
        self.resume_at = None;
    }

    /// Whether one more may follow, when the messages from the first unanswered one on are so many, and the session allows
    /// `limit`.
    pub(super) fn allows(&self, inflight: usize, limit: usize) -> bool {
        inflight < limit.min(self.open)
    }

    /// The broker has accepted a message.
    pub(super) fn on_accepted(&mut self) {
        self.open = self.open.saturating_add(1);
        self.pause = MIN_PAUSE;
    }

    /// A session ended with messages in flight.
    pub(super) fn on_lost(&mut self) {
        self.open = 1;
    }

    /// The broker does not take a message now. It is asked again after a pause.
    pub(super) fn on_deferred(&mut self) {
        let now = Instant::now();
        if self.resume_at.is_none_or(|at| at <= now) {
            self.resume_at = Some(now + self.pause);
            self.pause = (self.pause * 2).min(MAX_PAUSE);
        }
        self.open = 1;
    }

    /// The end of the pause, if there is one.
    pub(super) fn pause_until(&self) -> Option<Instant> {
        self.resume_at.filter(|at| *at > Instant::now())
    }
}

const MIN_PAUSE: Duration = Duration::from_millis(200);
const MAX_PAUSE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_loss_it_begins_with_one_and_opens_with_each_accepted_one_up_to_the_limit() {
        let mut flow = Flow::new();
        assert!(flow.allows(2, 3) && !flow.allows(3, 3));
        flow.on_lost();
        assert!(flow.allows(0, 3) && !flow.allows(1, 3));
        (0..5).for_each(|_| flow.on_accepted());
        assert!(flow.allows(2, 3) && !flow.allows(3, 3));
    }

    #[test]
    fn the_pause_after_refusals_in_a_row_grows() {
        let mut flow = Flow::new();
        flow.on_deferred();
        let first = flow.pause_until().unwrap();
        flow.on_deferred();
        assert_eq!(flow.pause_until(), Some(first), "one burst of refusals is one pause");
        assert_eq!(flow.pause, MIN_PAUSE * 2);
    }
}
