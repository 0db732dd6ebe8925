//! An event: a step of a customer on the timeline. And how events and steps are written in Redis.

use std::sync::Arc;

use redis_core::id::CustomerId;

use crate::scenario::{Step, StepKind};
use crate::time::EpochMicros;

/// A step on the timeline, to be published when it is due.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Event {
    /// The customer.
    pub customer: Arc<CustomerId>,
    /// The step. `step.time` is when it is due.
    pub step: Step,
    /// Distinguishes equal steps, and orders steps of the same millisecond.
    pub sequence: Sequence,
}

/// The order in which events were put on the timeline: the number of the post, and the index of the step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Sequence {
    /// The number of the post. Each time that steps are put on the timeline, they get the next one, from 1 on. Zero: the
    /// member in Redis names none.
    pub post: u32,
    /// Index of the step in its scenario.
    pub index: u32,
}

impl Event {
    /// The events of a post, one for each step.
    pub fn of_steps<'a>(
        customer: &'a Arc<CustomerId>,
        steps: impl IntoIterator<Item = (u32, Step)> + 'a,
        post: u32,
    ) -> impl Iterator<Item = Event> + 'a {
        let event = move |(index, step)| Event {
            customer: Arc::clone(customer),
            step,
            sequence: Sequence { post, index },
        };
        steps.into_iter().map(event)
    }

    /// The member of the sorted set: `customer_id|x|y|TYPE|2021-04-14 08:40:15.513000+0000`.
    pub fn member(&self) -> String {
        let Step { time, x, y, kind } = self.step;
        format!("{}|{x}|{y}|{}|{}", self.customer, kind.as_str(), time.display_redis())
    }

    /// The member with `|post.index` at its end. It is used for a step that equals another one, or is not the first of its
    /// post in its millisecond.
    pub fn member_with_sequence(&self) -> String {
        format!("{}|{}.{}", self.member(), self.sequence.post, self.sequence.index)
    }

    /// Parses a member, with or without a sequence. An id may contain `|`, so the fields are counted from the right.
    pub fn parse(member: &str) -> Option<Self> {
        let (plain, sequence) = match member.rsplit_once('|')? {
            (plain, last) if !last.contains(':') => {
                let (post, index) = last.split_once('.')?;
                (plain, Sequence { post: post.parse().ok()?, index: index.parse().ok()? })
            }
            _ => (member, Sequence::default()),
        };
        let mut fields = plain.rsplitn(5, '|');
        let time = EpochMicros::parse(fields.next()?).ok()?;
        let kind = StepKind::parse(fields.next()?)?;
        let y = fields.next()?.parse().ok()?;
        let x = fields.next()?.parse().ok()?;
        let customer = Arc::new(CustomerId::parse(fields.next()?).ok()?);
        Some(Self { customer, step: Step { time, x, y, kind }, sequence })
    }
}

/// A step in the stored list of a scenario: `2021-04-14 08:40:15.513000+0000|ENTER|935|50`.
pub fn stored_step(step: &Step) -> String {
    format!("{}|{}|{}|{}", step.time.display_redis(), step.kind.as_str(), step.x, step.y)
}

/// Parses a step of the stored list.
pub fn parse_stored_step(text: &str) -> Option<Step> {
    let mut fields = text.split('|');
    let time = EpochMicros::parse(fields.next()?).ok()?;
    let kind = StepKind::parse(fields.next()?)?;
    let (x, y) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    fields.next().is_none().then_some(Step { time, x, y, kind })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn event(customer: &str, kind: StepKind, x: i32, y: i32, time: &str) -> Event {
        let step = Step { time: EpochMicros::parse(time).unwrap(), x, y, kind };
        Event {
            customer: Arc::new(CustomerId::parse(customer).unwrap()),
            step,
            sequence: Sequence { post: 7, index: 3 },
        }
    }

    #[test]
    fn a_member_and_a_stored_step_are_the_literal_text_of_the_contract() {
        let event = event("1", StepKind::Enter, 935, 50, "2021-04-14T08:40:15.513+00:00");
        assert_eq!(event.member(), "1|935|50|ENTER|2021-04-14 08:40:15.513000+0000");
        assert_eq!(event.member_with_sequence(), "1|935|50|ENTER|2021-04-14 08:40:15.513000+0000|7.3");
        assert_eq!(stored_step(&event.step), "2021-04-14 08:40:15.513000+0000|ENTER|935|50");
        assert_eq!(parse_stored_step(&stored_step(&event.step)), Some(event.step));
    }

    #[test]
    fn a_text_that_is_not_a_member_is_not_parsed() {
        for text in [
            "",
            "1",
            "1|2|3|MOVE",
            "1|2|3|MOVE|yesterday",
            "1|x|3|MOVE|2021-04-14 08:40:15.513000+0000",
            "|1|2|MOVE|2021-04-14 08:40:15.513000+0000",
        ] {
            assert_eq!(Event::parse(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_member_is_parsed_again_whatever_the_id_contains(
            customer in "(?s).{1,40}", x in any::<i32>(), y in any::<i32>(), us in 0..200_000_000_000_000_000_i64,
        ) {
            prop_assume!(CustomerId::parse(customer.as_str()).is_ok());
            let step = Step { time: EpochMicros::new(us).unwrap(), x, y, kind: StepKind::Exit };
            let event = Event { customer: Arc::new(CustomerId::parse(customer).unwrap()), step, sequence: Sequence { post: 1, index: 2 } };
            prop_assert_eq!(Event::parse(&event.member_with_sequence()), Some(event.clone()));
            let plain = Event { sequence: Sequence::default(), ..event.clone() };
            prop_assert_eq!(Event::parse(&event.member()), Some(plain));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "(?s).*") {
            let _ = Event::parse(&text);
            let _ = parse_stored_step(&text);
        }
    }
}
