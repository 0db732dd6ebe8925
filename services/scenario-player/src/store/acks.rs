//! Taking published events off the timeline.
//!
//! Redis finds an event by its member, which costs three times as much as to take off a whole range of due times. So that is done
//! where all events of a range were published, as they are when one instance plays everything.

use fred::types::Value;
use redis_core::{Channel, Key};

use super::client::Store;
use super::scripts::flag;
use crate::assignment::Assignment;
use crate::lanes::Lane;
use crate::range::ClaimedEvent;
use crate::unavailable::Unavailable;

impl Store {
    pub(crate) async fn ack(
        &self,
        lane: Lane,
        assignment: &Assignment,
        events: &[ClaimedEvent],
    ) -> Result<bool, Unavailable> {
        let instance = &assignment.instance;
        // Otherwise events of other instances are in nearly every range.
        if assignment.has_all_of(lane)
            && let Some(range) = DueRange::of(events)
        {
            match self.try_ack(lane, instance, &range, events).await? {
                HAS_OTHERS => {}
                done => return Ok(done == DONE),
            }
        }
        Ok(self.try_ack(lane, instance, &DueRange::default(), events).await? == DONE)
    }

    async fn try_ack(
        &self,
        lane: Lane,
        instance: &str,
        range: &DueRange,
        events: &[ClaimedEvent],
    ) -> Result<i64, Unavailable> {
        let head = [
            Value::from(instance),
            Channel::TimelinePublished.to_string().into(),
            flag(self.listeners.are_there()),
            range.from_ms.into(),
            range.before_ms.into(),
            range.events.into(),
        ];
        let others = events.iter().filter(|claimed| !range.contains(claimed));
        let members = others.map(|claimed| Value::Bytes(claimed.member.clone()));
        let args = head.into_iter().chain(members).collect();
        let partition = lane.key_partition();
        let keys = [Key::TimelineInstances(partition), Key::Timeline(partition)];
        self.run_script(lane, &self.scripts.ack, &keys, args).await
    }
}

/// A range of due times.
#[derive(Debug, Default, PartialEq)]
struct DueRange {
    from_ms: i64,
    before_ms: i64,
    /// How many of the events are due in it.
    events: i64,
}

impl DueRange {
    /// From the first of the due times to the last, without that: more events may be due then. `None` if that would save little.
    fn of(events: &[ClaimedEvent]) -> Option<Self> {
        let due_times = events.iter().map(|claimed| claimed.due_ms);
        let (from_ms, before_ms) = (due_times.clone().min()?, due_times.clone().max()?);
        let count = due_times.filter(|due_ms| *due_ms < before_ms).count();
        let events = i64::try_from(count).ok()?;
        (count >= MIN_EVENTS).then_some(Self { from_ms, before_ms, events })
    }

    fn contains(&self, claimed: &ClaimedEvent) -> bool {
        (self.from_ms..self.before_ms).contains(&claimed.due_ms)
    }
}

/// What ack.lua returns.
const DONE: i64 = 1;
const HAS_OTHERS: i64 = -1;
/// From so many events on a range is worth the attempt.
const MIN_EVENTS: usize = 32;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use redis_core::id::CustomerId;

    use super::*;
    use crate::event::{Event, Sequence};
    use crate::scenario::{Step, StepKind};
    use crate::time::EpochMicros;

    fn claimed(due_ms: i64) -> ClaimedEvent {
        let step = Step { time: EpochMicros::default(), x: 0, y: 0, kind: StepKind::Move };
        let customer = Arc::new(CustomerId::parse("c").unwrap());
        let event = Event::of_step(&customer, step, Sequence::default());
        ClaimedEvent { due_ms, partition: 0, event, member: Bytes::new(), message: None, trace: None }
    }

    #[test]
    fn a_range_ends_before_the_last_due_time() {
        let events: Vec<ClaimedEvent> = (0..100).map(|n| claimed(50 + n / 20)).collect();
        let range = DueRange::of(&events).unwrap();
        assert_eq!(range, DueRange { from_ms: 50, before_ms: 54, events: 80 });
        assert!(range.contains(&events[0]) && !range.contains(&events[99]));
        assert_eq!(DueRange::of(&events[..20]), None, "one due time");
        assert_eq!(DueRange::of(&[]), None);
    }
}
