//! From an accepted connection to an open client: reads the request, asks the handler, and opens the client or responds.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::client::Client;
use crate::connection::Connection;
use crate::connection_limiter::Permit;
use crate::context::ServerContext;
use crate::cors;
use crate::handler::Handler;
use crate::handshake;
use crate::head::{self, HeadError};
use crate::reply::{OnOpen, Reply};
use crate::request::Request;
use crate::respond::{limit_exceeded, respond};
use crate::response::Response;
use crate::session::Session;
use crate::transport::Transport;

/// A client that has just been opened.
pub(crate) struct Established {
    pub(crate) connection: Arc<Connection>,
    /// What was read beyond the head of the request.
    pub(crate) leftover: Vec<u8>,
    pub(crate) permit: Permit,
    /// The handler's, to be dropped when the client has disconnected.
    pub(crate) session: Box<dyn Session>,
}

/// Reads the request and answers it. `None` if that ended the connection.
pub(crate) async fn establish<H: Handler>(
    mut stream: TcpStream,
    peer: IpAddr,
    mut permit: Permit,
    context: &Arc<ServerContext>,
    handler: &H,
) -> Option<Established> {
    let options = &context.options;
    let result = timeout(options.handshake_timeout, head::read(&mut stream, peer, options)).await;
    let (request, leftover) = match result.unwrap_or_else(|_| {
        context.metrics.record_refusal("handshake-timeout");
        Err(HeadError::Rejected(Response::text(408, "the request took too long")))
    }) {
        Ok(read) => read,
        Err(HeadError::Disconnected) => return None,
        Err(HeadError::Rejected(response)) => {
            respond(stream, &response, false).await;
            return None;
        }
    };
    let (is_head, accepts_event_stream) = (request.is_head, request.accepts_event_stream());
    let mut cors = Vec::new();
    let opening = match handle(request, context, handler, &mut permit, &mut cors).await {
        Ok(opening) => opening,
        Err(response) => {
            let response = if accepts_event_stream { response.for_event_source() } else { response };
            respond(stream, &response.headers(cors), is_head).await;
            return None;
        }
    };
    let connection = Arc::new(Connection::new(stream, opening.transport, opening.head, context.clone()));
    let session = (opening.on_open)(Client(connection.clone()));
    Some(Established { connection, leftover, permit, session })
}

/// What a client is opened with.
struct Opening {
    transport: Transport,
    /// The head of the response.
    head: Bytes,
    on_open: OnOpen,
}

/// Asks the handler. `Err` is a plain response, which may well be a success; it needs the headers in `cors`, too.
async fn handle<H: Handler>(
    request: Request,
    context: &ServerContext,
    handler: &H,
    permit: &mut Permit,
    cors: &mut Vec<(&'static str, String)>,
) -> Result<Opening, Response> {
    check_names(&request, context)?;
    *cors = cors::headers(&request, &context.options.origins);
    if request.is_options {
        return Err(cors::preflight());
    }
    let websocket_head = request.is_websocket.then(|| handshake::accept(&request)).transpose()?;
    let event_stream_head = handshake::event_stream(cors);
    let (client, is_head) = (request.client_address, request.is_head);
    let (transport, head, on_open) = match handler.handle(request).await {
        Reply::Http(response) => return Err(response),
        Reply::EventStream(_) if is_head => return Err(Response::new(200, "text/event-stream", "")),
        Reply::EventStream(on_open) => (Transport::EventStream, event_stream_head, on_open),
        Reply::WebSocket(on_open) => match websocket_head {
            Some(head) => (Transport::WebSocket, head, on_open),
            None => return Err(Response::text(426, "this is a WebSocket").header("Upgrade", "websocket")),
        },
    };
    if context.is_draining.load(Ordering::SeqCst) {
        context.metrics.record_refusal("draining");
        return Err(Response::text(503, "this instance is stopping").header("Retry-After", "1"));
    }
    permit
        .upgrade_to_client(client, &context.options)
        .map_err(|limit| limit_exceeded(limit, &context.metrics))?;
    Ok(Opening { transport, head, on_open })
}

/// Refuses requests under a name that is not the service's, and those of pages that may not connect.
fn check_names(request: &Request, context: &ServerContext) -> Result<(), Response> {
    let options = &context.options;
    let (origin, host) = (request.header("origin"), request.header("host"));
    let is_probe = !request.is_websocket && options.probe_paths.contains(&request.path());
    let is_own_name = options.hosts.as_ref().is_none_or(|hosts| hosts.allow(host, &options.origins));
    if !is_probe && !is_own_name {
        context.metrics.record_refusal("host");
        return Err(Response::text(
            421,
            "this service does not have that name: ALLOWED_HOSTS lists its names",
        ));
    }
    if !options.origins.allow(origin, host) {
        context.metrics.record_refusal("origin");
        return Err(Response::text(403, "this page's origin is not allowed"));
    }
    Ok(())
}
