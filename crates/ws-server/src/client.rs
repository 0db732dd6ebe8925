//! The handle with which a service reaches an open client.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use bytes::Bytes;

use crate::connection::Connection;
use crate::response::Response;
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
        self.0.send(messages, 0)
    }

    /// As [`send`](Self::send), for a client that gets messages about several things, each of which has its own slot: with
    /// [`Overflow::KeepLatest`](crate::Overflow::KeepLatest) a message that waits is replaced only by one of the same slot.
    /// `send` uses slot 0.
    pub fn send_latest(&self, slot: u32, messages: &Bytes) -> bool {
        self.0.send(messages, slot)
    }

    /// As [`send`](Self::send), for a message that no later one replaces.
    pub fn send_notice(&self, message: &Bytes) -> bool {
        self.0.send_notice(message)
    }

    /// Waits until the client has taken nearly all that it was sent, so that a service with much for it can send the next piece.
    /// Returns `false` if the client is closed.
    pub async fn drained(&self) -> bool {
        self.0.drained().await
    }

    /// Whether [`drained`](Self::drained) would return at once.
    pub fn is_drained(&self) -> bool {
        self.0.is_drained().unwrap_or(true)
    }

    /// Closes the client with this code and reason, after everything that was sent before.
    pub fn close(&self, code: u16, reason: &str) {
        self.0.close(code, reason, "service");
    }

    /// Closes the client as a request is refused by this response: with 4000 and its status as the code, and its body as the
    /// reason.
    pub fn refuse(&self, response: &Response) {
        self.close(4000 + response.status, &response.body_text());
    }

    /// Ends the client's access at this time: it is closed with 4401, unless this is called again with a later time before. A
    /// time that has passed closes it too. `None`: it does not end.
    pub fn expire_at(&self, time: Option<SystemTime>) {
        let expires_ms = time.map_or(u64::MAX, |time| {
            let remaining = time.duration_since(SystemTime::now()).unwrap_or_default();
            self.0.context.now_ms().saturating_add(remaining.as_millis() as u64)
        });
        self.0.expires_ms.store(expires_ms, Ordering::Relaxed);
        self.0.waker.wake();
    }

    /// How messages reach this client.
    pub fn transport(&self) -> Transport {
        self.0.transport
    }
}
