//! The trace that a message belongs to, by its header `traceparent`.

use chassis::traces::{self, Kind, TraceParent};
use rdkafka::Message;
use rdkafka::message::{BorrowedMessage, Headers};
use tracing::Span;

/// A span of the trace that a header of the message names. `None` if none does, or traces are off.
pub(crate) fn span_of(message: &BorrowedMessage<'_>) -> Option<Span> {
    if !traces::are_on() {
        return None;
    }
    let header = message.headers()?.iter().find(|header| header.key == TraceParent::NAME)?;
    let parent = TraceParent::parse(header.value?)?;
    Some(traces::span(Kind::Consumer, "apply a message", Some(&parent)))
}
