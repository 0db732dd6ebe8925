//! A span for each request.

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use tracing::Instrument;

use crate::probe;
use crate::traces::{self, Kind, TraceParent};

/// Has `next` answer in a span of the client's trace, if traces are on. The probes have none.
pub(super) async fn handle<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    if !traces::are_on() || probe::PATHS.contains(&request.path()) {
        return next.call(request).await;
    }
    let parent = request.headers().get(TraceParent::NAME).and_then(TraceParent::parse);
    // A path is no name: it may have ids.
    let name = match request.match_pattern() {
        Some(pattern) => format!("{} {pattern}", request.method()),
        None => request.method().to_string(),
    };
    let span = traces::span(Kind::Server, &name, parent.as_ref());
    next.call(request).instrument(span).await
}
