//! An event: what is on the timeline, a step of a customer or a message of a recording. And how events and steps are written
//! in Redis.

use std::sync::Arc;

use redis_core::id::{CustomerId, RecordingName};

use crate::scenario::{Step, StepKind};
use crate::time::EpochMicros;

/// Something to be published when it is due.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Event {
    /// What is published.
    pub item: Item,
    /// Distinguishes equal items, and orders those of the same millisecond.
    pub sequence: Sequence,
}

/// What an event publishes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Item {
    /// A step of a customer.
    Step(CustomerStep),
    /// A message of a recording.
    Message(MessageRef),
}

/// A step of a customer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CustomerStep {
    /// The customer.
    pub customer: Arc<CustomerId>,
    /// The step. `step.time` is when it is due.
    pub step: Step,
}

/// Which message of a recording, and when.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MessageRef {
    /// The recording.
    pub recording: Arc<RecordingName>,
    /// Index of the message.
    pub index: u32,
    /// When it is due.
    pub time: EpochMicros,
}

/// The order in which events were put on the timeline: the number of the post, and the index of the item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Sequence {
    /// The number of the post. Each time that items are put on the timeline, they get the next one, from 1 on. Zero: the
    /// member in Redis names none.
    pub post: u32,
    /// Index of the item among those of the post.
    pub index: u32,
}

impl Event {
    /// A step of a customer.
    pub fn of_step(customer: &Arc<CustomerId>, step: Step, sequence: Sequence) -> Self {
        Self { item: Item::Step(CustomerStep { customer: Arc::clone(customer), step }), sequence }
    }

    /// A message of a recording.
    pub fn of_message(
        recording: &Arc<RecordingName>,
        index: u32,
        time: EpochMicros,
        sequence: Sequence,
    ) -> Self {
        let recording = Arc::clone(recording);
        Self { item: Item::Message(MessageRef { recording, index, time }), sequence }
    }

    /// The events of a post, one for each step.
    pub fn of_steps<'a>(
        customer: &'a Arc<CustomerId>,
        steps: impl IntoIterator<Item = (u32, Step)> + 'a,
        post: u32,
    ) -> impl Iterator<Item = Event> + 'a {
        steps.into_iter().map(move |(index, step)| Event::of_step(customer, step, Sequence { post, index }))
    }

    /// When it is due.
    pub fn time(&self) -> EpochMicros {
        match &self.item {
            Item::Step(CustomerStep { step, .. }) => step.time,
            Item::Message(message) => message.time,
        }
    }

    /// The same item at another time.
    #[must_use]
    pub fn moved(&self, to: EpochMicros, sequence: Sequence) -> Self {
        let mut moved = Self { sequence, ..self.clone() };
        match &mut moved.item {
            Item::Step(CustomerStep { step, .. }) => step.time = to,
            Item::Message(message) => message.time = to,
        }
        moved
    }

    /// The id of its customer, or the name of its recording.
    pub fn owner(&self) -> &str {
        match &self.item {
            Item::Step(CustomerStep { customer, .. }) => customer.as_str(),
            Item::Message(message) => message.recording.as_str(),
        }
    }

    /// The member of the sorted set: `customer_id|x|y|TYPE|2021-04-14 08:40:15.513000+0000`. That of a message is
    /// `recording|index|MESSAGE|2021-04-14 08:40:15.513000+0000`.
    pub fn member(&self) -> String {
        match &self.item {
            Item::Step(CustomerStep { customer, step: Step { time, x, y, kind } }) => {
                format!("{customer}|{x}|{y}|{}|{}", kind.as_str(), time.display_redis())
            }
            Item::Message(MessageRef { recording, index, time }) => {
                format!("{recording}|{index}|{MESSAGE}|{}", time.display_redis())
            }
        }
    }

    /// The member with `|post.index` at its end. It is used for an item that equals another one, or is not the first of its
    /// post in its millisecond.
    pub fn member_with_sequence(&self) -> String {
        format!("{}|{}.{}", self.member(), self.sequence.post, self.sequence.index)
    }

    /// Parses a member, with or without a sequence. A customer's id may contain `|`, so the fields are counted from the right.
    pub fn parse(member: &str) -> Option<Self> {
        let (plain, sequence) = match member.rsplit_once('|')? {
            (plain, last) if !last.contains(':') => {
                let (post, index) = last.split_once('.')?;
                (plain, Sequence { post: post.parse().ok()?, index: index.parse().ok()? })
            }
            _ => (member, Sequence::default()),
        };
        let (rest, time) = plain.rsplit_once('|')?;
        let time = EpochMicros::parse(time).ok()?;
        let (rest, kind) = rest.rsplit_once('|')?;
        if kind == MESSAGE {
            let (name, index) = rest.split_once('|')?;
            let recording = Arc::new(RecordingName::parse(name).ok()?);
            return Some(Self::of_message(&recording, index.parse().ok()?, time, sequence));
        }
        let kind = StepKind::parse(kind)?;
        let mut fields = rest.rsplitn(3, '|');
        let y = fields.next()?.parse().ok()?;
        let x = fields.next()?.parse().ok()?;
        let customer = Arc::new(CustomerId::parse(fields.next()?).ok()?);
        Some(Self::of_step(&customer, Step { time, x, y, kind }, sequence))
    }
}

/// Stands in the place of a step's type. No step has it.
const MESSAGE: &str = "MESSAGE";

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
        Event::of_step(&Arc::new(CustomerId::parse(customer).unwrap()), step, Sequence { post: 7, index: 3 })
    }

    #[test]
    fn a_member_and_a_stored_step_are_the_literal_text_of_the_contract() {
        let event = event("1", StepKind::Enter, 935, 50, "2021-04-14T08:40:15.513+00:00");
        assert_eq!(event.member(), "1|935|50|ENTER|2021-04-14 08:40:15.513000+0000");
        assert_eq!(event.member_with_sequence(), "1|935|50|ENTER|2021-04-14 08:40:15.513000+0000|7.3");
        let Item::Step(CustomerStep { step, .. }) = event.item else { panic!("it is a step") };
        assert_eq!(stored_step(&step), "2021-04-14 08:40:15.513000+0000|ENTER|935|50");
        assert_eq!(parse_stored_step(&stored_step(&step)), Some(step));
    }

    #[test]
    fn a_message_of_a_recording_has_a_member_that_no_step_has() {
        let name = Arc::new(RecordingName::parse("walk-1").unwrap());
        let time = EpochMicros::parse("2021-04-14T08:40:15.513Z").unwrap();
        let event = Event::of_message(&name, 12, time, Sequence { post: 7, index: 3 });
        assert_eq!(event.member(), "walk-1|12|MESSAGE|2021-04-14 08:40:15.513000+0000");
        assert_eq!(Event::parse(&event.member_with_sequence()), Some(event.clone()));
        let plain = Event { sequence: Sequence::default(), ..event };
        assert_eq!(Event::parse(&plain.member()), Some(plain));
        assert_eq!(Event::parse("walk/1|12|MESSAGE|2021-04-14 08:40:15.513000+0000"), None);
        let step = self::event("walk-1|12|MESSAGE", StepKind::Move, 1, 2, "2021-04-14T08:40:15.513Z");
        assert_eq!(Event::parse(&step.member_with_sequence()), Some(step));
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
            let event = Event::of_step(&Arc::new(CustomerId::parse(customer).unwrap()), step, Sequence { post: 1, index: 2 });
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
