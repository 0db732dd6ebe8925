//! Checks periodically whether the objects that requests wait for exist by now, in case a notification was lost.

use std::time::{Duration, Instant};

use super::operation::{OnReply, Operation};
use super::partition_ids::PartitionIds;
use crate::id::ObjectId;
use crate::reply_to::Waiter;
use crate::wait_queue::WaitQueue;

/// Time in which every waiting request is checked once: short while there are few, because nobody tells of an object that the
/// original server stored. On a Cluster, where that stores nothing, it is long.
const SHORTEST_ROUND: Duration = Duration::from_secs(1);
const LONGEST_ROUND: Duration = Duration::from_secs(5);
/// Time that each part takes of a round, between the two.
const PART_TIME: Duration = Duration::from_millis(40);
/// Requests that are checked at a time. Few, since other operations have to wait behind them.
const PART_LEN: usize = 64;

/// The progress of the current round.
pub(super) struct WaitRecheck {
    ids: PartitionIds,
    next_due: Instant,
    /// The last ticket that this round has checked.
    cursor: u64,
    /// The highest ticket that any round has checked.
    highest: u64,
    /// This round is made without pauses, because notifications may have been lost.
    is_urgent: bool,
}

impl WaitRecheck {
    pub(super) fn new(ids: PartitionIds) -> Self {
        Self { ids, next_due: Instant::now() + shortest_round(ids), cursor: 0, highest: 0, is_urgent: false }
    }

    /// When the next part is due.
    pub(super) fn next_due(&self) -> Instant {
        self.next_due
    }

    /// The connection was lost, and notifications with it: starts an urgent round.
    pub(super) fn restart_now(&mut self) {
        *self = Self { next_due: Instant::now(), cursor: 0, is_urgent: true, ..*self };
    }

    /// The operations of the next part. True if it is the last part of the round: then it is shorter than the others.
    pub(super) fn next_part(&mut self, waiting: &WaitQueue<Waiter>) -> (Vec<Operation>, bool) {
        let mut part = Vec::new();
        for (ticket, id, waiter) in waiting.after(self.cursor).take(PART_LEN) {
            self.cursor = ticket;
            part.push(check(ticket, id, waiter, self.ids));
        }
        self.highest = self.highest.max(self.cursor);
        let is_last = part.len() < PART_LEN;
        if is_last {
            (self.cursor, self.is_urgent) = (0, false);
        }
        let pause =
            if self.is_urgent { Duration::ZERO } else { pause(waiting.len(), shortest_round(self.ids)) };
        self.next_due = Instant::now() + pause;
        (part, is_last)
    }

    /// True if the ticket may have been checked.
    pub(super) fn may_have_checked(&self, ticket: u64) -> bool {
        ticket <= self.highest
    }
}

fn shortest_round(ids: PartitionIds) -> Duration {
    if ids.count == 1 { SHORTEST_ROUND } else { LONGEST_ROUND }
}

/// The time between two parts while this many requests wait.
fn pause(waiting: usize, shortest_round: Duration) -> Duration {
    let parts = waiting.div_ceil(PART_LEN).max(1) as f64;
    PART_TIME.mul_f64(parts).clamp(shortest_round, LONGEST_ROUND).div_f64(parts)
}

/// Executes a waiting request again, with the same ticket.
fn check(ticket: u64, id: &ObjectId, waiter: &Waiter, ids: PartitionIds) -> Operation {
    let on_reply = OnReply::Recheck { ticket };
    match waiter.duplicate_id() {
        None => Operation::get(id, b"", Some(ticket), on_reply),
        Some(duplicate) if ids.has(duplicate) => Operation::recheck(duplicate, id, ticket, on_reply),
        Some(_) => Operation::hold(id, ticket, on_reply),
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;
    use crate::reply_to::ReplyTo;

    #[test]
    fn few_are_checked_every_second_and_many_every_five() {
        for (waiting, milliseconds) in [(0, 1000), (64, 1000), (1_600, 40), (8_000, 40), (64_000, 5)] {
            assert_eq!(pause(waiting, SHORTEST_ROUND).as_millis(), milliseconds, "{waiting}");
        }
    }

    #[test]
    fn a_round_checks_each_request_once_and_an_urgent_one_makes_no_pause() {
        let (mut recheck, mut waiting) =
            (WaitRecheck::new(PartitionIds { number: 0, count: 1 }), WaitQueue::default());
        for n in 0..150_u8 {
            let waiter = Waiter::Get(ReplyTo::Caller(oneshot::channel().0));
            waiting.add(ObjectId::new(&[n]).unwrap(), 0, waiter);
        }
        for is_urgent in [false, true] {
            if is_urgent {
                recheck.restart_now();
            }
            let parts: Vec<_> = (0..3)
                .map(|_| {
                    let (part, is_last) = recheck.next_part(&waiting);
                    (part.len(), is_last, recheck.next_due() <= Instant::now())
                })
                .collect();
            assert_eq!(parts, [(64, false, is_urgent), (64, false, is_urgent), (22, true, false)]);
        }
        assert!(recheck.may_have_checked(150) && !recheck.may_have_checked(151));
    }
}
