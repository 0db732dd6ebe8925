//! Writes plain HTTP responses, among them those that refuse a connection.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tracing::debug;

use crate::connection_limiter::LimitExceeded;
use crate::metrics::Metrics;
use crate::response::Response;

/// How long a client may take to read the response.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Writes a response and ends the connection in a way that lets the response arrive.
pub(crate) async fn respond(mut stream: TcpStream, response: &Response, is_head: bool) {
    let exchange = async {
        stream.write_all(&response.encode(is_head)).await?;
        stream.shutdown().await?;
        // A close with unread bytes resets the connection, and the client might lose the response.
        let mut ignored = [0; 1024];
        while stream.read(&mut ignored).await? > 0 {}
        io::Result::Ok(())
    };
    if let Ok(Err(error)) = timeout(RESPONSE_TIMEOUT, exchange).await {
        debug!(%error, "cannot write a response");
    }
}

/// The response for a connection that exceeds a limit. Counts the refusal.
pub(crate) fn limit_exceeded(limit: LimitExceeded, metrics: &Metrics) -> Response {
    let (status, reason, text) = match limit {
        LimitExceeded::Total => (503, "full", "too many connections"),
        LimitExceeded::PerAddress => (429, "address", "too many connections from this address"),
    };
    metrics.record_refusal(reason);
    Response::text(status, text).header("Retry-After", "5")
}
