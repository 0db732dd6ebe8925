//! The player's queue: events that wait until they are due, and events that the broker has not acknowledged.

use std::collections::VecDeque;

use crate::event::Event;
use crate::range::ClaimedEvent;

/// Events from the reader until the broker has acknowledged them.
#[derive(Default)]
pub(crate) struct PublishQueue {
    /// In the order of publishing: by due time, then in the order they were read.
    waiting: VecDeque<ClaimedEvent>,
    /// In the order they were published. `None` where the broker has acknowledged an event before an earlier one.
    inflight: VecDeque<Option<ClaimedEvent>>,
    /// The publish id of the first event in flight.
    first_publish_id: u64,
}

impl PublishQueue {
    /// Adds events that were read, each behind the waiting ones that are due at the same time.
    pub(crate) fn push(&mut self, events: impl IntoIterator<Item = ClaimedEvent>) {
        self.waiting.extend(events);
        // They are nearly always in order already. Then a stable sort needs only one pass.
        self.waiting.make_contiguous().sort_by_key(|claimed| claimed.due_ms);
    }

    /// The event to publish next.
    pub(crate) fn front(&self) -> Option<&ClaimedEvent> {
        self.waiting.front()
    }

    /// The publish id for that event. No id is given twice.
    pub(crate) fn next_publish_id(&self) -> u64 {
        self.first_publish_id + self.inflight.len() as u64
    }

    /// Must be called when that event has been handed to the broker.
    pub(crate) fn mark_published(&mut self) {
        self.inflight.extend(self.waiting.pop_front().map(Some));
    }

    /// The event with this publish id, which the broker has acknowledged. `None` if it was acknowledged or requeued before.
    pub(crate) fn acknowledge(&mut self, publish_id: u64) -> Option<ClaimedEvent> {
        let slot = usize::try_from(publish_id.checked_sub(self.first_publish_id)?).ok()?;
        let claimed = self.inflight.get_mut(slot)?.take();
        while self.inflight.front().is_some_and(Option::is_none) {
            self.inflight.pop_front();
            self.first_publish_id += 1;
        }
        claimed
    }

    /// Moves all events in flight back to the waiting ones, in their old order. Returns how many.
    pub(crate) fn requeue_inflight(&mut self) -> usize {
        self.first_publish_id = self.next_publish_id();
        let unacknowledged: VecDeque<ClaimedEvent> = self.inflight.drain(..).flatten().collect();
        let count = unacknowledged.len();
        let waiting = std::mem::replace(&mut self.waiting, unacknowledged);
        self.push(waiting);
        count
    }

    /// Puts an event that was in flight back in its place among the waiting ones.
    pub(crate) fn requeue(&mut self, claimed: ClaimedEvent) {
        self.waiting.push_front(claimed);
        self.waiting.make_contiguous().sort_by_key(|claimed| (claimed.due_ms, claimed.event.sequence));
    }

    /// Takes the event to publish next. It will not be published.
    pub(crate) fn take_front(&mut self) -> Option<ClaimedEvent> {
        self.waiting.pop_front()
    }

    /// Takes an event that waits. It will not be published.
    pub(crate) fn take_waiting_event(&mut self, event: &Event) -> Option<ClaimedEvent> {
        let position = self.waiting.iter().position(|claimed| claimed.event == *event)?;
        self.waiting.remove(position)
    }

    /// Removes and returns all waiting events.
    pub(crate) fn take_waiting(&mut self) -> Vec<ClaimedEvent> {
        std::mem::take(&mut self.waiting).into()
    }

    /// Number of waiting events.
    pub(crate) fn waiting_len(&self) -> usize {
        self.waiting.len()
    }

    /// Number of events in flight, from the first that the broker has not acknowledged on.
    pub(crate) fn inflight_len(&self) -> usize {
        self.inflight.len()
    }

    /// The event in flight, if there is only one.
    pub(crate) fn alone_in_flight(&self) -> Option<&ClaimedEvent> {
        let mut inflight = self.inflight.iter().flatten();
        inflight.next().filter(|_| inflight.next().is_none())
    }

    /// Whether the broker has acknowledged everything that was published.
    pub(crate) fn has_no_inflight(&self) -> bool {
        self.inflight.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use redis_core::id::CustomerId;

    use super::*;
    use crate::event::{Event, Sequence};
    use crate::scenario::{Step, StepKind};
    use crate::time::EpochMicros;

    fn claimed(due_ms: i64, index: u32) -> ClaimedEvent {
        let step = Step { time: EpochMicros::new(due_ms * 1000).unwrap(), x: 0, y: 0, kind: StepKind::Move };
        let customer = Arc::new(CustomerId::parse("c").unwrap());
        let event = Event::of_step(&customer, step, Sequence { post: 1, index });
        ClaimedEvent { due_ms, partition: 0, event, member: Bytes::new(), message: None }
    }

    fn publish(queue: &mut PublishQueue) -> (u64, u32) {
        let published = (queue.next_publish_id(), queue.front().unwrap().event.sequence.index);
        queue.mark_published();
        published
    }

    #[test]
    fn events_are_published_in_the_order_they_are_due_and_then_in_the_order_they_were_read() {
        let mut queue = PublishQueue::default();
        queue.push([claimed(20, 0), claimed(30, 1), claimed(30, 2)]);
        queue.push([claimed(10, 3), claimed(30, 4)]);
        let order: Vec<u32> =
            std::iter::from_fn(|| queue.front().is_some().then(|| publish(&mut queue).1)).collect();
        assert_eq!(order, [3, 0, 1, 2, 4]);
    }

    #[test]
    fn requeued_events_are_published_again_in_their_old_order_under_new_ids() {
        let mut queue = PublishQueue::default();
        queue.push((0..4).map(|n| claimed(10, n)));
        let ids: Vec<u64> = (0..3).map(|_| publish(&mut queue).0).collect();
        assert_eq!(queue.acknowledge(ids[1]).unwrap().event.sequence.index, 1);
        assert!(queue.acknowledge(ids[1]).is_none());
        assert_eq!(queue.requeue_inflight(), 2);
        assert!(queue.has_no_inflight());
        assert!(queue.acknowledge(ids[0]).is_none());
        let again: Vec<(u64, u32)> = (0..3).map(|_| publish(&mut queue)).collect();
        assert_eq!(again.iter().map(|(_, index)| *index).collect::<Vec<_>>(), [0, 2, 3]);
        assert!(again.iter().all(|(id, _)| !ids.contains(id)));
    }
}
