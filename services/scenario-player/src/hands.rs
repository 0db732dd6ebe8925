//! What the player has in hand: events that wait for their time, and events that the broker has not acknowledged.

use std::collections::VecDeque;

use crate::timeline::Claimed;

/// Events between the feed and the acknowledgement.
#[derive(Default)]
pub(crate) struct Hands {
    /// In the order of publishing: by due time, then as they were read.
    waiting: VecDeque<Claimed>,
    /// In the order they were published; empty where the broker has acknowledged one before its predecessors.
    in_flight: VecDeque<Option<Claimed>>,
    /// The ticket of the first in flight.
    first_ticket: u64,
}

impl Hands {
    /// Adds events that were read, each behind those of its time.
    pub(crate) fn add(&mut self, read: impl IntoIterator<Item = Claimed>) {
        self.waiting.extend(read);
        // Nearly always in order already, which a stable sort finds out in one pass.
        self.waiting.make_contiguous().sort_by_key(|claimed| claimed.due_ms);
    }

    /// The event whose turn it is.
    pub(crate) fn next(&self) -> Option<&Claimed> {
        self.waiting.front()
    }

    /// The ticket that it is to be published with. Never given twice.
    pub(crate) fn ticket(&self) -> u64 {
        self.first_ticket + self.in_flight.len() as u64
    }

    /// The event whose turn it is has been handed to the broker.
    pub(crate) fn published(&mut self) {
        self.in_flight.extend(self.waiting.pop_front().map(Some));
    }

    /// The broker has the event of this ticket; `None` if that is known already, or it was taken back.
    pub(crate) fn acknowledged(&mut self, ticket: u64) -> Option<Claimed> {
        let slot = usize::try_from(ticket.checked_sub(self.first_ticket)?).ok()?;
        let claimed = self.in_flight.get_mut(slot)?.take();
        while self.in_flight.front().is_some_and(Option::is_none) {
            self.in_flight.pop_front();
            self.first_ticket += 1;
        }
        claimed
    }

    /// Lets what the broker has not acknowledged wait again, in its old order; how many these are.
    pub(crate) fn take_back(&mut self) -> usize {
        self.first_ticket = self.ticket();
        let unacknowledged: VecDeque<Claimed> = self.in_flight.drain(..).flatten().collect();
        let count = unacknowledged.len();
        let waiting = std::mem::replace(&mut self.waiting, unacknowledged);
        self.add(waiting);
        count
    }

    /// Gives away what waits.
    pub(crate) fn let_go(&mut self) -> Vec<Claimed> {
        std::mem::take(&mut self.waiting).into()
    }

    /// Number of events that wait.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// True if the broker has all that was published.
    pub(crate) fn nothing_in_flight(&self) -> bool {
        self.in_flight.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use redis_core::id::CustomerId;

    use super::*;
    use crate::event::{Event, Place};
    use crate::scenario::{Step, StepKind};
    use crate::time::Micros;

    fn claimed(due_ms: i64, index: u32) -> Claimed {
        let step = Step { at: Micros::new(due_ms * 1000).unwrap(), x: 0, y: 0, kind: StepKind::Move };
        let customer = Arc::new(CustomerId::parse("c").unwrap());
        let event = Event { customer, step, place: Place { post: 1, index } };
        Claimed { due_ms, lane: 0, event, member: fred::bytes_utils::Str::default() }
    }

    fn publish(hands: &mut Hands) -> (u64, u32) {
        let published = (hands.ticket(), hands.next().unwrap().event.place.index);
        hands.published();
        published
    }

    #[test]
    fn events_have_their_turn_by_time_and_then_as_they_were_read() {
        let mut hands = Hands::default();
        hands.add([claimed(20, 0), claimed(30, 1), claimed(30, 2)]);
        hands.add([claimed(10, 3), claimed(30, 4)]);
        let order: Vec<u32> =
            std::iter::from_fn(|| hands.next().is_some().then(|| publish(&mut hands).1)).collect();
        assert_eq!(order, [3, 0, 1, 2, 4]);
    }

    #[test]
    fn what_the_broker_has_not_acknowledged_is_published_again_in_its_order_under_new_tickets() {
        let mut hands = Hands::default();
        hands.add((0..4).map(|n| claimed(10, n)));
        let tickets: Vec<u64> = (0..3).map(|_| publish(&mut hands).0).collect();
        assert_eq!(hands.acknowledged(tickets[1]).unwrap().event.place.index, 1);
        assert!(hands.acknowledged(tickets[1]).is_none());
        assert_eq!(hands.take_back(), 2);
        assert!(hands.nothing_in_flight());
        assert!(hands.acknowledged(tickets[0]).is_none());
        let again: Vec<(u64, u32)> = (0..3).map(|_| publish(&mut hands)).collect();
        assert_eq!(again.iter().map(|(_, index)| *index).collect::<Vec<_>>(), [0, 2, 3]);
        assert!(again.iter().all(|(ticket, _)| !tickets.contains(ticket)));
    }
}
