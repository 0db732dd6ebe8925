//! The heads of the responses that open a client: a WebSocket's opening handshake, which tungstenite judges and answers, and
//! the head of an event stream.

use bytes::Bytes;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::handshake::server::{create_response, write_response};
use tokio_tungstenite::tungstenite::http;

use crate::request::Request;
use crate::response::Response;

/// The 101 for a request that asks for a WebSocket, or the error response if the handshake is not valid.
pub(crate) fn accept(request: &Request) -> Result<Bytes, Response> {
    let invalid = |error: Error| match error {
        Error::Protocol(ProtocolError::MissingSecWebSocketVersionHeader) => {
            Response::text(426, "only WebSocket version 13 is supported")
                .header("Sec-WebSocket-Version", "13")
                .header("Upgrade", "websocket")
        }
        error => Response::text(400, format!("the handshake is not valid: {error}")),
    };
    let mut response = create_response(&parts(request).map_err(invalid)?).map_err(invalid)?;
    if let Some(name) = request.subprotocol() {
        response.headers_mut().insert("sec-websocket-protocol", http::HeaderValue::from_static(name));
    }
    let mut head = Vec::new();
    write_response(&mut head, &response).map_err(invalid)?;
    Ok(head.into())
}

/// What tungstenite looks at. Headers may be lists and be repeated, which it does not expect.
fn parts(request: &Request) -> Result<http::Request<()>, Error> {
    let mut builder = http::Request::get("/").header("Upgrade", "websocket");
    if request.is_head {
        builder = builder.method(http::Method::HEAD);
    }
    if request.header_contains("connection", "upgrade") {
        builder = builder.header("Connection", "Upgrade");
    }
    for name in ["sec-websocket-version", "sec-websocket-key"] {
        if let Some(value) = request.header(name) {
            builder = builder.header(name, value);
        }
    }
    Ok(builder.body(())?)
}

/// The head of an event stream. It has no Content-Length: the stream ends with the connection.
pub(crate) fn event_stream(cors: &[(&'static str, String)]) -> Bytes {
    let cors: String = cors.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    Bytes::from(format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache, no-transform\r\n\
         X-Accel-Buffering: no\r\n{cors}Connection: close\r\n\r\n"
    ))
}
