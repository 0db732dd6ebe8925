//! The heads of the responses that open a client: a WebSocket's opening handshake (RFC 6455, section 4.2), and the head of
//! an event stream.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use sha1::{Digest, Sha1};

use crate::request::Request;
use crate::response::Response;

/// The 101 for a request that asks for a WebSocket, or the error response if the handshake is not valid.
pub(crate) fn accept(request: &Request) -> Result<Bytes, Response> {
    if !request.header_contains("connection", "upgrade") || request.is_head {
        return Err(Response::text(400, "the handshake lacks Connection: Upgrade"));
    }
    if request.header("sec-websocket-version") != Some("13") {
        return Err(Response::text(426, "only WebSocket version 13 is supported")
            .header("Sec-WebSocket-Version", "13")
            .header("Upgrade", "websocket"));
    }
    let key = request.header("sec-websocket-key").unwrap_or_default();
    if STANDARD.decode(key).map(|key| key.len()) != Ok(16) {
        return Err(Response::text(400, "Sec-WebSocket-Key must be 16 bytes in base64"));
    }
    Ok(Bytes::from(format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n\r\n",
        accept_key(key)
    )))
}

/// The head of an event stream. It has no Content-Length: the stream ends with the connection.
pub(crate) fn event_stream(request: &Request) -> Bytes {
    // The origin was checked before.
    let cors = request
        .header("origin")
        .map(|origin| format!("Access-Control-Allow-Origin: {origin}\r\nVary: Origin\r\n"))
        .unwrap_or_default();
    Bytes::from(format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache, no-transform\r\n\
         X-Accel-Buffering: no\r\n{cors}Connection: close\r\n\r\n"
    ))
}

fn accept_key(key: &str) -> String {
    let digest =
        Sha1::new().chain_update(key).chain_update("258EAFA5-E914-47DA-95CA-C5AB0DC85B11").finalize();
    STANDARD.encode(digest)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_example_key_of_the_rfc_gets_the_answer_of_the_rfc() {
        assert_eq!(super::accept_key("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
