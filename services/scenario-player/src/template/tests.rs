use std::sync::Arc;

use redis_core::id::CustomerId;

use super::*;
use crate::event::CustomerStep;
use crate::scenario::{Step, StepKind};
use crate::time::EpochMicros;

fn step(customer: &str) -> CustomerStep {
    let time = EpochMicros::parse("1976-02-04T23:00:00.5Z").unwrap();
    let customer = Arc::new(CustomerId::parse(customer).unwrap());
    let step = Step { time, x: 5, y: -6, kind: StepKind::Focus };
    CustomerStep { customer, step }
}

fn topic(template: &str, customer: &str) -> String {
    template.parse::<TopicTemplate>().unwrap().render(&step(customer))
}

fn payload(template: &str, customer: &str) -> String {
    String::from_utf8(template.parse::<PayloadTemplate>().unwrap().render(&step(customer))).unwrap()
}

#[test]
fn a_topic_has_fields_and_no_id_reaches_another_topic() {
    assert_eq!(topic("customer/move", "127"), "customer/move");
    assert_eq!(topic("customer/{id}/{type}", "127"), "customer/127/FOCUS");
    assert_eq!(topic("{id}-{x},{y}@{ts}", "ü 1"), "%C3%BC 1-5,-6@192322800");
    assert_eq!(topic("a/{id}", "$b/+/#%"), "a/%24b%2F%2B%2F%23%25");
    for bad in ["", "a/#", "a/+/b", "{", "a}", "{}", "{{id}}"] {
        let error = bad.parse::<TopicTemplate>().unwrap_err();
        assert!(error.starts_with("must be a topic") || error.contains("{} is none of"), "{bad}: {error}");
    }
    let error = "{name}".parse::<TopicTemplate>().unwrap_err();
    assert_eq!(
        error,
        "must be made of known fields: {name} is none of {id}, {ts}, {ts_ms}, {time}, {x}, {y}, {type}"
    );
}

#[test]
fn a_payload_has_values_of_their_types_and_texts_with_fields() {
    let template = r#"{"id":{id},"at":[{x},{y}],"ms":{ts_ms},"say":"\"{id}\" at {x}: {type}","when":{time}}"#;
    assert_eq!(
        payload(template, "a\"|\n"),
        r#"{"id":"a\"|\n","at":[5,-6],"ms":192322800500,"say":"\"a\"|\n\" at 5: FOCUS","when":"1976-02-04T23:00:00.500000+00:00"}"#
    );
    assert_eq!(payload("{id}", "7"), "\"7\"");
    assert_eq!(
        payload(r#"{"nested":{"x":{x}},"empty":{},"text":"{ \\"}"#, "7"),
        r#"{"nested":{"x":5},"empty":{},"text":"{ \\"}"#
    );
    for (bad, problem) in [
        ("", "must be JSON"),
        (r#"{"id":{id}"#, "must be JSON"),
        (r#"{"id":id}"#, "must be JSON"),
        (r#"{"id":"{name}"}"#, "must be made of known fields: {name} is none"),
    ] {
        let error = bad.parse::<PayloadTemplate>().unwrap_err();
        assert!(error.starts_with(problem), "{bad}: {error}");
    }
}
