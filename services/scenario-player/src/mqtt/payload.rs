//! The payload of a message, as the contract writes it.

use serde::Serialize;

use crate::event::Event;
use crate::scenario::{Step, StepKind};

/// The payload of an event: `{"id":"127","ts":192322800}`, with `x` and `y` for a move.
pub(crate) fn payload(event: &Event) -> String {
    let Step { time, x, y, kind } = event.step;
    let is_move = matches!(kind, StepKind::Move | StepKind::Focus);
    let message = Message {
        id: event.customer.as_str(),
        ts: time.as_secs(),
        x: is_move.then_some(x),
        y: is_move.then_some(y),
    };
    // Serializing a text and numbers cannot fail.
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
    use std::sync::Arc;

    use redis_core::id::CustomerId;

    use super::*;
    use crate::event::Sequence;
    use crate::time::EpochMicros;

    fn event(customer: &str, kind: StepKind, x: i32, y: i32) -> Event {
        let time = EpochMicros::parse("1976-02-04T23:00:00Z").unwrap();
        let customer = Arc::new(CustomerId::parse(customer).unwrap());
        Event { customer, step: Step { time, x, y, kind }, sequence: Sequence::default() }
    }

    #[test]
    fn payloads_are_the_literal_text_of_the_contract() {
        assert_eq!(payload(&event("127", StepKind::Enter, 5, 6)), r#"{"id":"127","ts":192322800}"#);
        assert_eq!(payload(&event("127", StepKind::Exit, 5, 6)), r#"{"id":"127","ts":192322800}"#);
        assert_eq!(
            payload(&event("127", StepKind::Move, 0, 0)),
            r#"{"id":"127","ts":192322800,"x":0,"y":0}"#
        );
        assert_eq!(
            payload(&event("127", StepKind::Focus, 1, 2)),
            r#"{"id":"127","ts":192322800,"x":1,"y":2}"#
        );
        assert_eq!(
            payload(&event("a\"|\n", StepKind::Exit, 0, 0)),
            "{\"id\":\"a\\\"|\\n\",\"ts\":192322800}"
        );
    }
}
