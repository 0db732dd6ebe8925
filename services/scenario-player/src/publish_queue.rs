//! The player's queue: events that wait until they are due, and events that the broker has not acknowledged.

use std::collections::VecDeque;

use tracing::Span;

use crate::event::Event;
use crate::lanes::{Lane, Lanes};
use crate::range::ClaimedEvent;

/// Events from the readers until the broker has acknowledged them.
pub(crate) struct PublishQueue {
    lanes: Lanes,
    /// By lane, in the order of publishing: by due time, then in the order they were read.
    waiting: Vec<VecDeque<ClaimedEvent>>,
    /// In the order they were published. `None` where the broker has acknowledged an event before an earlier one.
    inflight: VecDeque<Option<InFlight>>,
    /// The publish id of the first event in flight.
    first_publish_id: u64,
}

/// An event that the broker has not answered yet.
struct InFlight {
    claimed: ClaimedEvent,
    /// Ends with the answer.
    _span: Span,
}

impl PublishQueue {
    pub(crate) fn new(lanes: Lanes) -> Self {
        let waiting = lanes.iter().map(|_| VecDeque::new()).collect();
        Self { lanes, waiting, inflight: VecDeque::new(), first_publish_id: 0 }
    }

    /// Adds events of a lane that were read, each behind the waiting ones that are due at the same time.
    pub(crate) fn push(&mut self, lane: Lane, events: impl IntoIterator<Item = ClaimedEvent>) {
        let waiting = self.of(lane);
        waiting.extend(events);
        // They are nearly always in order already. Then a stable sort needs only one pass.
        waiting.make_contiguous().sort_by_key(|claimed| claimed.due_ms);
    }

    /// The event of each lane to publish next.
    pub(crate) fn fronts(&self) -> impl Iterator<Item = (Lane, &ClaimedEvent)> {
        self.lanes.iter().zip(&self.waiting).filter_map(|(lane, waiting)| Some((lane, waiting.front()?)))
    }

    /// The publish id for the event that is published next. No id is given twice.
    pub(crate) fn next_publish_id(&self) -> u64 {
        self.first_publish_id + self.inflight.len() as u64
    }

    /// Must be called when the next event of the lane has been handed to the broker. `span` ends when it answers.
    pub(crate) fn mark_published(&mut self, lane: Lane, span: Span) {
        let event = self.take_front(lane).map(|claimed| InFlight { claimed, _span: span });
        self.inflight.extend(event.map(Some));
    }

    /// The event with this publish id, which the broker has acknowledged. `None` if it was acknowledged or requeued before.
    pub(crate) fn acknowledge(&mut self, publish_id: u64) -> Option<ClaimedEvent> {
        let slot = usize::try_from(publish_id.checked_sub(self.first_publish_id)?).ok()?;
        let answered = self.inflight.get_mut(slot)?.take();
        while self.inflight.front().is_some_and(Option::is_none) {
            self.inflight.pop_front();
            self.first_publish_id += 1;
        }
        answered.map(|inflight| inflight.claimed)
    }

    /// Moves all events in flight back to the waiting ones, in their old order. Returns the lane of each.
    pub(crate) fn requeue_inflight(&mut self) -> Vec<Lane> {
        self.first_publish_id = self.next_publish_id();
        let mut requeued: Vec<VecDeque<ClaimedEvent>> = self.lanes.iter().map(|_| VecDeque::new()).collect();
        let mut lanes = Vec::new();
        for InFlight { claimed, .. } in self.inflight.drain(..).flatten() {
            let lane = self.lanes.of_partition(claimed.partition);
            requeued[lane.number()].push_back(claimed);
            lanes.push(lane);
        }
        for (lane, unacknowledged) in self.lanes.iter().zip(requeued) {
            if !unacknowledged.is_empty() {
                let waiting = std::mem::replace(self.of(lane), unacknowledged);
                self.push(lane, waiting);
            }
        }
        lanes
    }

    /// Puts an event that was in flight back in its place among the waiting ones. Returns its lane.
    pub(crate) fn requeue(&mut self, claimed: ClaimedEvent) -> Lane {
        let lane = self.lanes.of_partition(claimed.partition);
        let waiting = self.of(lane);
        waiting.push_front(claimed);
        waiting.make_contiguous().sort_by_key(|claimed| (claimed.due_ms, claimed.event.sequence));
        lane
    }

    /// Takes the event of a lane to publish next. It will not be published.
    pub(crate) fn take_front(&mut self, lane: Lane) -> Option<ClaimedEvent> {
        self.of(lane).pop_front()
    }

    /// Takes an event that waits. It will not be published.
    pub(crate) fn take_waiting_event(&mut self, event: &Event) -> Option<ClaimedEvent> {
        let waiting = self.of(self.lanes.of(event.owner()));
        let position = waiting.iter().position(|claimed| claimed.event == *event)?;
        waiting.remove(position)
    }

    /// Removes and returns all waiting events of a lane.
    pub(crate) fn take_waiting(&mut self, lane: Lane) -> Vec<ClaimedEvent> {
        std::mem::take(self.of(lane)).into()
    }

    /// Number of waiting events of a lane.
    pub(crate) fn waiting_len(&self, lane: Lane) -> usize {
        self.waiting[lane.number()].len()
    }

    /// The lane of an event.
    pub(crate) fn lane_of(&self, claimed: &ClaimedEvent) -> Lane {
        self.lanes.of_partition(claimed.partition)
    }

    fn of(&mut self, lane: Lane) -> &mut VecDeque<ClaimedEvent> {
        &mut self.waiting[lane.number()]
    }

    /// Number of events in flight, from the first that the broker has not acknowledged on.
    pub(crate) fn inflight_len(&self) -> usize {
        self.inflight.len()
    }

    /// The event in flight, if there is only one.
    pub(crate) fn alone_in_flight(&self) -> Option<&ClaimedEvent> {
        let mut inflight = self.inflight.iter().flatten();
        inflight.next().filter(|_| inflight.next().is_none()).map(|alone| &alone.claimed)
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
        ClaimedEvent { due_ms, partition: 0, event, member: Bytes::new(), message: None, trace: None }
    }

    fn one_lane() -> (PublishQueue, Lane) {
        (PublishQueue::new(Lanes::ONE), Lanes::ONE.of("c"))
    }

    fn publish(queue: &mut PublishQueue) -> (u64, u32) {
        let (lane, front) = queue.fronts().next().unwrap();
        let published = (queue.next_publish_id(), front.event.sequence.index);
        queue.mark_published(lane, Span::none());
        published
    }

    #[test]
    fn events_are_published_in_the_order_they_are_due_and_then_in_the_order_they_were_read() {
        let (mut queue, lane) = one_lane();
        queue.push(lane, [claimed(20, 0), claimed(30, 1), claimed(30, 2)]);
        queue.push(lane, [claimed(10, 3), claimed(30, 4)]);
        let order: [u32; 5] = std::array::from_fn(|_| publish(&mut queue).1);
        assert_eq!(order, [3, 0, 1, 2, 4]);
    }

    #[test]
    fn requeued_events_are_published_again_in_their_old_order_under_new_ids() {
        let (mut queue, lane) = one_lane();
        queue.push(lane, (0..4).map(|n| claimed(10, n)));
        let ids: Vec<u64> = (0..3).map(|_| publish(&mut queue).0).collect();
        assert_eq!(queue.acknowledge(ids[1]).unwrap().event.sequence.index, 1);
        assert!(queue.acknowledge(ids[1]).is_none());
        assert_eq!(queue.requeue_inflight(), [lane, lane]);
        assert!(queue.has_no_inflight());
        assert!(queue.acknowledge(ids[0]).is_none());
        let again: Vec<(u64, u32)> = (0..3).map(|_| publish(&mut queue)).collect();
        assert_eq!(again.iter().map(|(_, index)| *index).collect::<Vec<_>>(), [0, 2, 3]);
        assert!(again.iter().all(|(id, _)| !ids.contains(id)));
    }

    #[test]
    fn each_lane_has_an_order_of_its_own_and_gets_its_requeued_events_back() {
        let lanes = Lanes::of_layout(redis_core::Layout::Cluster);
        let (mut queue, one, other) =
            (PublishQueue::new(lanes), lanes.of_partition(0), lanes.of_partition(7));
        let of = |partition, claimed: ClaimedEvent| ClaimedEvent { partition, ..claimed };
        queue.push(other, [of(7, claimed(10, 0)), of(7, claimed(30, 1))]);
        queue.push(one, [of(0, claimed(20, 2))]);
        let fronts = |queue: &PublishQueue| -> Vec<_> {
            queue.fronts().map(|(lane, claimed)| (lane, claimed.due_ms)).collect()
        };
        assert_eq!(fronts(&queue), [(one, 20), (other, 10)]);
        queue.mark_published(other, Span::none());
        queue.mark_published(one, Span::none());
        assert_eq!(fronts(&queue), [(other, 30)]);
        assert_eq!(queue.requeue_inflight(), [other, one]);
        assert_eq!(fronts(&queue), [(one, 20), (other, 10)]);
        assert_eq!((queue.take_waiting(one).len(), queue.waiting_len(other)), (1, 2));
    }
}
