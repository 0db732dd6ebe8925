//! Refuses connections beyond a limit, before anything else is known of them.

use std::io::{Read, Write};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::connection_limiter::LimitExceeded;
use crate::context::ServerContext;
use crate::cors;
use crate::head;
use crate::request::Request;
use crate::respond::{limit_exceeded, respond};
use crate::response::Response;

/// Refused connections that may be waited for, while they send their request and read the response.
const MAX_PENDING: usize = 256;
/// How long such a client may take to send its request. Without it, the response is the one for programs.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(1);
/// In a flood, as much of the request is looked at as has arrived, up to this many bytes.
const MAX_PEEKED: usize = 4096;

/// Refuses connections, and waits for a bounded number of them.
pub(crate) struct Refusals(Arc<Semaphore>);

impl Refusals {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Semaphore::new(MAX_PENDING)))
    }

    /// Answers a connection that was just accepted, in the way that its request wants: an `EventSource` must not see the status.
    pub(crate) fn refuse(
        &self,
        mut stream: TcpStream,
        peer: IpAddr,
        limit: LimitExceeded,
        context: &Arc<ServerContext>,
    ) {
        let response = limit_exceeded(limit, &context.metrics);
        match self.0.clone().try_acquire_owned() {
            Ok(permit) => {
                let context = context.clone();
                tokio::spawn(async move {
                    let request =
                        timeout(REQUEST_TIMEOUT, head::read(&mut stream, peer, &context.options)).await;
                    let request = request.ok().and_then(Result::ok).map(|(request, _)| request);
                    let is_head = request.as_ref().is_some_and(|request| request.is_head);
                    respond(stream, &adapt(response, request.as_ref(), &context), is_head).await;
                    drop(permit);
                });
            }
            // No connection keeps a file descriptor.
            Err(_) => drop(answer_at_once(stream, peer, response, context)),
        }
    }
}

/// What the socket gives and takes without waiting must do.
fn answer_at_once(
    stream: TcpStream,
    peer: IpAddr,
    response: Response,
    context: &ServerContext,
) -> std::io::Result<()> {
    let mut stream = stream.into_std()?;
    let mut head = [0; MAX_PEEKED];
    let length = stream.read(&mut head).unwrap_or(0);
    let request =
        head::parse(&head[..length], peer, &context.options).ok().flatten().map(|(request, _)| request);
    stream.write_all(&adapt(response, request.as_ref(), context).encode(false))
}

fn adapt(response: Response, request: Option<&Request>, context: &ServerContext) -> Response {
    let Some(request) = request else { return response };
    let response = if request.accepts_event_stream() { response.for_event_source() } else { response };
    let origins = &context.options.origins;
    match origins.allow(request.header("origin"), request.header("host")) {
        true => response.headers(cors::headers(request, origins)),
        false => response,
    }
}
