//! Asks again for what waits, a part at a time, should a message about it have been lost.

use std::time::{Duration, Instant};

use super::operation::{Operation, Then};
use crate::id::ObjectId;
use crate::request::Wait;
use crate::waits::Waits;

/// Time in which all that waits is asked for once.
const ROUND: Duration = Duration::from_secs(5);
/// Requests that are asked for at a time: few, since others have to wait for the answer.
const PART: usize = 64;

/// Where a round has got to.
pub(super) struct Polls {
    due: Instant,
    /// The last ticket of this round, and the highest of all rounds.
    at: u64,
    highest: u64,
    /// Nothing is known of what happened lately: this round is made without a pause.
    hurried: bool,
}

impl Polls {
    pub(super) fn new() -> Self {
        Self { due: Instant::now() + ROUND, at: 0, highest: 0, hurried: false }
    }

    /// When the next part is to be asked for.
    pub(super) fn due(&self) -> Instant {
        self.due
    }

    /// The connection was lost, and with it messages: all is to be asked for now.
    pub(super) fn hurry(&mut self) {
        *self = Self { due: Instant::now(), at: 0, hurried: true, ..*self };
    }

    /// The next part; it is the round's last if it is shorter than others.
    pub(super) fn next(&mut self, waits: &Waits<Wait>) -> (Vec<Operation>, bool) {
        let mut part = Vec::new();
        for (ticket, id, wait) in waits.after(self.at).take(PART) {
            self.at = ticket;
            part.push(poll(ticket, id, wait));
        }
        self.highest = self.highest.max(self.at);
        let is_last = part.len() < PART;
        if is_last {
            (self.at, self.hurried) = (0, false);
        }
        let parts = waits.len().div_ceil(PART).max(1);
        let pause = if self.hurried { Duration::ZERO } else { ROUND.div_f64(parts as f64) };
        self.due = Instant::now() + pause;
        (part, is_last)
    }

    /// True if the ticket may have been asked for.
    pub(super) fn have_asked(&self, ticket: u64) -> bool {
        ticket <= self.highest
    }
}

/// Asks for what a request waits for, with the same ticket.
fn poll(ticket: u64, id: &ObjectId, wait: &Wait) -> Operation {
    let then = Then::Poll { ticket };
    match wait.copy() {
        None => Operation::get(id, b"", Some(ticket), then),
        Some(copy) => Operation::duplicate(copy, id, ticket, then),
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;
    use crate::request::Asker;

    #[test]
    fn a_round_asks_for_each_once_and_a_hurried_one_makes_no_pause() {
        let (mut polls, mut waits) = (Polls::new(), Waits::default());
        for n in 0..150_u8 {
            waits.add(ObjectId::new(&[n]).unwrap(), 0, Wait::Get(Asker::Caller(oneshot::channel().0)));
        }
        for hurried in [false, true] {
            if hurried {
                polls.hurry();
            }
            let parts: Vec<_> = (0..3)
                .map(|_| {
                    let (part, is_last) = polls.next(&waits);
                    (part.len(), is_last, polls.due() <= Instant::now())
                })
                .collect();
            assert_eq!(parts, [(64, false, hurried), (64, false, hurried), (22, true, false)]);
        }
        assert!(polls.have_asked(150) && !polls.have_asked(151));
    }
}
