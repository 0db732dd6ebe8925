//! The listener: takes connections, refuses what is too many, and ends all of them with RST when the process stops.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, info, warn};

use crate::connection::{End, serve};
use crate::node::Node;
use crate::stream::{Stream, accept};

/// Serves clients until `stopping`, and then until the last of them has its answers.
pub(crate) async fn listen(
    node: Arc<Node>,
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    stopping: CancellationToken,
) -> anyhow::Result<()> {
    let clients = TaskTracker::new();
    let mut sweep = tokio::time::interval(
        (node.limits.grace / 4).clamp(Duration::from_millis(50), Duration::from_secs(1)),
    );
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((socket, _)) => take(&node, socket, tls.as_ref(), &clients, &stopping),
                // Out of file descriptors, most likely: those that are open go on, and some will end.
                Err(error) => {
                    warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
            _ = sweep.tick() => {
                for key in node.sessions.expire(node.limits.grace) {
                    node.store.forget(key);
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

fn take(
    node: &Arc<Node>,
    socket: TcpStream,
    tls: Option<&TlsAcceptor>,
    clients: &TaskTracker,
    stopping: &CancellationToken,
) {
    let peer = socket.peer_addr().map_or_else(|_| "?".to_owned(), |peer| peer.to_string());
    if let Err(error) = Stream::prepare(&socket) {
        return debug!(client = peer, %error, "the connection ended before it began");
    }
    if clients.len() >= node.limits.max_connections {
        node.metrics.connections_refused.inc();
        return debug!(client = peer, "too many connections: refused");
    }
    let (node, tls, stopping) = (Arc::clone(node), tls.cloned(), stopping.clone());
    clients.spawn(async move {
        let stream: io::Result<Stream> = timeout(node.limits.stall, accept(socket, tls.as_ref()))
            .await
            .unwrap_or_else(|elapsed| Err(elapsed.into()));
        let stream = match stream {
            Ok(stream) => stream,
            Err(error) => return info!(client = peer, %error, "no TLS with this client"),
        };
        node.metrics.connections.inc();
        let end = serve(&node, stream, stopping).await;
        node.metrics.connections.dec();
        match end {
            End::Closed | End::Stopped => debug!(client = peer, "{end}"),
            end => info!(client = peer, "connection ended: {end}"),
        }
    });
}
