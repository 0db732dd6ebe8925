//! The trace of the request that put events on the timeline. They are spans of it when they are published.

use std::fmt;

use chassis::traces::{self, Kind, TraceParent};
use tracing::Span;

use crate::event::Event;

/// The trace of a customer's or a recording's events that are due in a range of times.
///
/// The members of the timeline cannot name it: instances that do not know of traces read them too.
#[derive(Debug, PartialEq)]
pub(crate) struct EventTrace {
    from_ms: i64,
    until_ms: i64,
    request: TraceParent,
}

impl EventTrace {
    /// The trace of the request that is being answered, for the events that it adds, the earliest first. `None` if it adds none, or
    /// nobody records it.
    pub(crate) fn of_request(added: &[Event]) -> Option<Self> {
        let request = TraceParent::of(&Span::current())?;
        let (first, last) = (added.first()?, added.last()?);
        Some(Self { from_ms: first.time().as_ms(), until_ms: last.time().as_ms(), request })
    }

    /// Parses what was formatted. `None` if traces are off, or it is something else.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (from_ms, rest) = text.split_once(' ')?;
        let (until_ms, request) = rest.split_once(' ')?;
        let request = TraceParent::parse(request)?;
        Some(Self { from_ms: from_ms.parse().ok()?, until_ms: until_ms.parse().ok()?, request })
    }

    /// When the last of its events is due (ms).
    pub(crate) fn until_ms(&self) -> i64 {
        self.until_ms
    }

    /// Whether an event that is due then belongs to it.
    pub(crate) fn includes(&self, due_ms: i64) -> bool {
        (self.from_ms..=self.until_ms).contains(&due_ms)
    }

    /// A span for one of its events that is published now.
    pub(crate) fn publish_span(&self) -> Span {
        traces::span(Kind::Producer, "publish a message", Some(&self.request))
    }
}

impl fmt::Display for EventTrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.from_ms, self.until_ms, self.request)
    }
}
