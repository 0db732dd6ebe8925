//! How a trace is named between processes: <https://www.w3.org/TR/trace-context/#traceparent-header>.

use std::fmt;
use std::str;

use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::{SpanContext, TraceContextExt};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::provider::are_on;

/// A span of any process, as `00-TRACE-SPAN-FLAGS` in hex digits.
#[derive(Debug, Clone, PartialEq)]
pub struct TraceParent(pub(super) SpanContext);

impl TraceParent {
    /// The name of the header, property or field that has it.
    pub const NAME: &str = "traceparent";
    /// How many characters it has.
    pub const LENGTH: usize = 55;

    /// Reads one that another process sent. `None` if traces are off, or it is none.
    pub fn parse(text: impl AsRef<[u8]>) -> Option<Self> {
        if !are_on() {
            return None;
        }
        let context = TraceContextPropagator::new().extract(&Header(str::from_utf8(text.as_ref()).ok()?));
        Some(context.span().span_context().clone()).filter(SpanContext::is_valid).map(Self)
    }

    /// This span, for who continues its trace. `None` if nobody records it.
    pub fn of(span: &Span) -> Option<Self> {
        let context = span.context();
        Some(context.span().span_context().clone()).filter(SpanContext::is_valid).map(Self)
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(span) = self;
        write!(f, "00-{}-{}-{:02x}", span.trace_id(), span.span_id(), span.trace_flags())
    }
}

/// The one header of a message.
struct Header<'a>(&'a str);

impl Extractor for Header<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        (key == TraceParent::NAME).then_some(self.0)
    }

    fn keys(&self) -> Vec<&str> {
        vec![TraceParent::NAME]
    }
}
