//! The listener: accepts connections, refuses those beyond the limit, and serves all of them to their end.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, info, warn};

use crate::connection::{CloseReason, serve};
use crate::handshake::{Handshake, HandshakeError};
use crate::listener::{Listener, Socket};
use crate::node::Node;
use crate::stream::Stream;

/// Accepts clients until `stopping`, then waits until the last of them has its responses.
pub(crate) async fn run(
    node: Arc<Node>,
    listener: Listener,
    handshake: Handshake,
    stopping: CancellationToken,
) -> anyhow::Result<()> {
    let (clients, handshake) = (TaskTracker::new(), Arc::new(handshake));
    let grace = node.limits.reconnect_grace;
    let mut expiry =
        tokio::time::interval((grace / 4).clamp(Duration::from_millis(50), Duration::from_secs(1)));
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((socket, peer)) => spawn_connection(&node, socket, peer, &handshake, &clients, &stopping),
                // Most likely the process has no file descriptors left. Open connections continue, and some will end.
                Err(error) => {
                    warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
            _ = expiry.tick() => {
                for session in node.sessions.expire(grace) {
                    node.store.backend.cancel_waiting(session);
                }
            }
            () = stopping.cancelled() => break,
        }
    }
    drop(listener);
    clients.close();
    clients.wait().await;
    Ok(())
}

fn spawn_connection(
    node: &Arc<Node>,
    socket: Socket,
    peer: String,
    handshake: &Arc<Handshake>,
    clients: &TaskTracker,
    stopping: &CancellationToken,
) {
    if let Err(error) = socket.prepare() {
        return debug!(client = peer, %error, "the connection ended before it was set up");
    }
    if clients.len() >= node.limits.max_connections {
        node.metrics.connections_refused.inc();
        return debug!(client = peer, "connection refused: there are too many");
    }
    let (node, handshake, stopping) = (Arc::clone(node), Arc::clone(handshake), stopping.clone());
    clients.spawn(async move {
        let stream: Result<Stream, HandshakeError> =
            timeout(node.limits.stall_timeout, handshake.accept(socket))
                .await
                .unwrap_or_else(|elapsed| Err(elapsed.into()));
        let stream = match stream {
            Ok(stream) => stream,
            Err(error) => return info!(client = peer, "connection refused: {error}"),
        };
        node.metrics.connections.inc();
        let reason = serve(&node, stream, stopping).await;
        node.metrics.connections.dec();
        match reason {
            CloseReason::Closed | CloseReason::Stopped => debug!(client = peer, "connection ended: {reason}"),
            reason => info!(client = peer, "connection ended: {reason}"),
        }
    });
}
