//! Traces: what happened to a request or a message, as spans that are sent to a collector by OTLP.
//!
//! They are on when `OTEL_EXPORTER_OTLP_ENDPOINT` is set. Otherwise [`span`] returns a span that is none, and costs nothing.

mod exporter;
mod provider;
mod trace_parent;

use opentelemetry::Context;
use opentelemetry::trace::TraceContextExt;
use tracing::field::{Empty, display};
use tracing::{Span, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt;

pub use provider::are_on;
pub(crate) use provider::{start, stop};
pub use trace_parent::TraceParent;

/// What the work of a span is, as OpenTelemetry calls it.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// A request is answered.
    Server,
    /// A message that another process sent is handled.
    Consumer,
    /// A message is sent to another process.
    Producer,
}

/// A span, of the trace of `parent` if there is one; its end is when it is dropped. None if traces are off.
///
/// Lines that are logged in it have its trace's id.
pub fn span(kind: Kind, name: &str, parent: Option<&TraceParent>) -> Span {
    if !are_on() {
        return Span::none();
    }
    let kind = match kind {
        Kind::Server => "server",
        Kind::Consumer => "consumer",
        Kind::Producer => "producer",
    };
    let span = info_span!("trace", id = Empty, otel.name = name, otel.kind = kind);
    if let Some(TraceParent(parent)) = parent {
        // It fails for a span that has begun, or that nobody records.
        let _ = span.set_parent(Context::new().with_remote_span_context(parent.clone()));
    }
    span.record("id", display(span.context().span().span_context().trace_id()));
    span
}
