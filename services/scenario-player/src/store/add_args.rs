//! The arguments of `add_events` in add_events.lua.

use std::iter;

use fred::types::Value;

use super::scripts::flag;
use crate::event::Event;

/// Per event a score, a member, a sequence, and whether the event before it has the same score. `events` begins with the
/// earliest; `before` is the event that was added before them.
pub(super) fn add_args<'a>(
    events: &'a [Event],
    before: Option<&'a Event>,
) -> impl Iterator<Item = Value> + 'a {
    let score = |event: &Event| event.time().as_ms();
    let before_each = iter::once(before).chain(events.iter().map(Some));
    events.iter().zip(before_each).flat_map(move |(event, before)| {
        let tied = before.is_some_and(|before| score(before) == score(event));
        [score(event).into(), event.member().into(), sequence_arg(event), flag(tied)]
    })
}

/// What follows the member of an event, if another event has that member.
pub(super) fn sequence_arg(event: &Event) -> Value {
    format!("{}.{}", event.sequence.post, event.sequence.index).into()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use redis_core::id::CustomerId;

    use super::*;
    use crate::event::Sequence;
    use crate::scenario::{Step, StepKind};
    use crate::time::EpochMicros;

    #[test]
    fn an_event_is_tied_to_the_one_before_it_even_if_that_is_in_another_part() {
        let customer = Arc::new(CustomerId::parse("c").unwrap());
        let event = |us| {
            let step = Step { time: EpochMicros::new(us).unwrap(), x: 0, y: 0, kind: StepKind::Move };
            Event::of_step(&customer, step, Sequence::default())
        };
        let events = [event(1_000), event(1_999), event(2_000), event(2_000)];
        let tied = |before: Option<&Event>, events: &[Event]| -> Vec<String> {
            add_args(events, before).skip(3).step_by(4).filter_map(|tied| tied.into_string()).collect()
        };
        assert_eq!(tied(None, &events), ["", "1", "", "1"]);
        assert_eq!(tied(Some(&events[2]), &events[3..]), ["1"]);
        assert_eq!(tied(Some(&events[1]), &events[2..]), ["", "1"]);
    }
}
