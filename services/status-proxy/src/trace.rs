//! The trace that a line names.

use chassis::traces::{self, Kind, TraceParent};
use tracing::Span;

/// A span of the trace that a line names. `None` if it names none, or traces are off.
pub(crate) fn span_of(text: &str) -> Option<Span> {
    if !traces::are_on() {
        return None;
    }
    let parent = TraceParent::parse(named_in(text)?)?;
    Some(traces::span(Kind::Consumer, "send a line", Some(&parent)))
}

/// What a text says after `traceparent=`, or in JSON after `"traceparent":`.
fn named_in(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once(TraceParent::NAME)?;
    let value = rest.trim_start_matches(['"', ':', '=', ' ']);
    value.get(..TraceParent::LENGTH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_named_in_text_and_in_json() {
        const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        for text in [
            format!("done traceparent={PARENT}"),
            format!("traceparent={PARENT} done"),
            format!(r#"{{"traceparent":"{PARENT}","a":1}}"#),
            format!(r#"{{"a":1, "traceparent": "{PARENT}"}}"#),
        ] {
            assert_eq!(named_in(&text), Some(PARENT), "{text}");
        }
        for text in [
            "",
            "traceparent",
            "traceparent=",
            "traceparent=00-4bf9",
            "traceparent=äöüäöüäöüäöüäöüäöüäöüäöüäöüäöüä",
        ] {
            assert_eq!(named_in(text), None, "{text}");
        }
    }
}
