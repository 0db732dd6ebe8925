//! The handle with which a service reaches an open client.

use std::sync::Arc;

use bytes::Bytes;

use crate::connection::Connection;
use crate::transport::Transport;

/// A handle to an open client. Clones refer to the same client.
#[derive(Clone)]
pub struct Client(pub(crate) Arc<Connection>);

impl Client {
    /// Sends messages that were encoded for the client's [`transport`](Self::transport). They are written to the socket
    /// at once, or wait in the client's outbox while the socket takes no more. Never blocks.
    ///
    /// Returns `false` if the client is closed, or if this call closed it because it reads too slowly.
    pub fn send(&self, messages: &Bytes) -> bool {
        self.0.send(messages)
    }

    /// Closes the client with this code and reason, after everything that was sent before.
    pub fn close(&self, code: u16, reason: &str) {
        self.0.close(code, reason, "service");
    }

    /// How messages reach this client.
    pub fn transport(&self) -> Transport {
        self.0.transport
    }
}
