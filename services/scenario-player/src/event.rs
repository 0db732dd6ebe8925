//! An event: a step of a customer on the timeline, and how it is written there, in the store and over MQTT.

use std::sync::Arc;

use redis_core::id::CustomerId;
use serde::Serialize;

use crate::scenario::{Step, StepKind};
use crate::time::Micros;

/// A step that waits on the timeline for its time.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Event {
    /// Whose step.
    pub customer: Arc<CustomerId>,
    /// The step; `step.at` is when it is due.
    pub step: Step,
    /// Tells equal steps apart and keeps those of one millisecond in order.
    pub place: Place,
}

/// Where an event came from: the number of the post and the index of the step in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Place {
    /// Counts every time that steps were put on the timeline, from 1. Zero for a member that names no place.
    pub post: u32,
    /// Index of the step in its post.
    pub index: u32,
}

impl Event {
    /// The events of a post, one a step.
    pub fn of_steps<'a>(
        customer: &'a Arc<CustomerId>,
        steps: impl IntoIterator<Item = (u32, Step)> + 'a,
        post: u32,
    ) -> impl Iterator<Item = Event> + 'a {
        let event =
            move |(index, step)| Event { customer: Arc::clone(customer), step, place: Place { post, index } };
        steps.into_iter().map(event)
    }

    /// The member of the timeline: `customer_id|x|y|TYPE|2021-04-14 08:40:15.513000+0000`.
    pub fn member(&self) -> String {
        let Step { at, x, y, kind } = self.step;
        format!("{}|{x}|{y}|{}|{}", self.customer, kind.as_str(), at.redis())
    }

    /// The member with its place, `…|post.index`: for an equal step, or a second one in the same millisecond.
    pub fn placed_member(&self) -> String {
        format!("{}|{}.{}", self.member(), self.place.post, self.place.index)
    }

    /// Reads a member, with or without its place. An id may hold any character, so the fields count from the right.
    pub fn parse(member: &str) -> Option<Self> {
        let (plain, place) = match member.rsplit_once('|')? {
            (plain, last) if !last.contains(':') => {
                let (post, index) = last.split_once('.')?;
                (plain, Place { post: post.parse().ok()?, index: index.parse().ok()? })
            }
            _ => (member, Place::default()),
        };
        let mut fields = plain.rsplitn(5, '|');
        let at = Micros::parse(fields.next()?).ok()?;
        let kind = StepKind::parse(fields.next()?)?;
        let y = fields.next()?.parse().ok()?;
        let x = fields.next()?.parse().ok()?;
        let customer = Arc::new(CustomerId::parse(fields.next()?).ok()?);
        Some(Self { customer, step: Step { at, x, y, kind }, place })
    }
}

/// A step in the stored list of its scenario: `2021-04-14 08:40:15.513000+0000|ENTER|935|50`.
pub fn stored_step(step: &Step) -> String {
    format!("{}|{}|{}|{}", step.at.redis(), step.kind.as_str(), step.x, step.y)
}

/// Reads a step of a stored list.
pub fn parse_stored_step(text: &str) -> Option<Step> {
    let mut fields = text.split('|');
    let at = Micros::parse(fields.next()?).ok()?;
    let kind = StepKind::parse(fields.next()?)?;
    let (x, y) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    fields.next().is_none().then_some(Step { at, x, y, kind })
}

/// The payload of the message: `{"id":"127","ts":192322800}`, with `x` and `y` for a move.
pub fn payload(event: &Event) -> String {
    let Step { at, x, y, kind } = event.step;
    let moves = matches!(kind, StepKind::Move | StepKind::Focus);
    let message = Message {
        id: event.customer.as_str(),
        ts: at.as_secs(),
        x: moves.then_some(x),
        y: moves.then_some(y),
    };
    // A text and numbers, which JSON can always hold.
    serde_json::to_string(&message).unwrap_or_default()
}

#[derive(Serialize)]
struct Message<'a> {
    id: &'a str,
    ts: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    x: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    y: Option<i32>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn event(customer: &str, kind: StepKind, x: i32, y: i32, at: &str) -> Event {
        let step = Step { at: Micros::parse(at).unwrap(), x, y, kind };
        Event {
            customer: Arc::new(CustomerId::parse(customer).unwrap()),
            step,
            place: Place { post: 7, index: 3 },
        }
    }

    #[test]
    fn a_member_and_a_stored_step_are_the_literal_text_of_the_contract() {
        let event = event("1", StepKind::Enter, 935, 50, "2021-04-14T08:40:15.513+00:00");
        assert_eq!(event.member(), "1|935|50|ENTER|2021-04-14 08:40:15.513000+0000");
        assert_eq!(event.placed_member(), "1|935|50|ENTER|2021-04-14 08:40:15.513000+0000|7.3");
        assert_eq!(stored_step(&event.step), "2021-04-14 08:40:15.513000+0000|ENTER|935|50");
        assert_eq!(parse_stored_step(&stored_step(&event.step)), Some(event.step));
    }

    #[test]
    fn payloads_are_the_literal_text_of_the_contract() {
        let at = "1976-02-04T23:00:00Z";
        assert_eq!(payload(&event("127", StepKind::Enter, 5, 6, at)), r#"{"id":"127","ts":192322800}"#);
        assert_eq!(payload(&event("127", StepKind::Exit, 5, 6, at)), r#"{"id":"127","ts":192322800}"#);
        assert_eq!(
            payload(&event("127", StepKind::Move, 0, 0, at)),
            r#"{"id":"127","ts":192322800,"x":0,"y":0}"#
        );
        assert_eq!(
            payload(&event("127", StepKind::Focus, 1, 2, at)),
            r#"{"id":"127","ts":192322800,"x":1,"y":2}"#
        );
        assert_eq!(
            payload(&event("a\"|\n", StepKind::Exit, 0, 0, at)),
            "{\"id\":\"a\\\"|\\n\",\"ts\":192322800}"
        );
    }

    #[test]
    fn what_is_no_member_is_not_read_as_one() {
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
        fn a_member_is_read_back_whatever_the_id_holds(
            customer in "(?s).{1,40}", x in any::<i32>(), y in any::<i32>(), us in 0..200_000_000_000_000_000_i64,
        ) {
            prop_assume!(CustomerId::parse(customer.as_str()).is_ok());
            let step = Step { at: Micros::new(us).unwrap(), x, y, kind: StepKind::Exit };
            let event = Event { customer: Arc::new(CustomerId::parse(customer).unwrap()), step, place: Place { post: 1, index: 2 } };
            prop_assert_eq!(Event::parse(&event.placed_member()), Some(event.clone()));
            let plain = Event { place: Place::default(), ..event.clone() };
            prop_assert_eq!(Event::parse(&event.member()), Some(plain));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "(?s).*") {
            let _ = Event::parse(&text);
            let _ = parse_stored_step(&text);
        }
    }
}
