//! Clients that get the same messages.

use bytes::Bytes;
use slab::Slab;

use crate::client::Client;

/// Writes between two yields to other tasks. One write takes some microseconds.
const WRITES_PER_YIELD: usize = 64;

/// Clients of one transport that get the same messages, so that each message is encoded once.
#[derive(Default)]
pub struct Recipients(Slab<Client>);

impl Recipients {
    /// Adds a client. Returns the key that [`remove`](Self::remove) takes.
    pub fn insert(&mut self, client: Client) -> usize {
        self.0.insert(client)
    }

    /// Removes a client, if it is still present.
    pub fn remove(&mut self, key: usize) {
        self.0.try_remove(key);
        if self.0.is_empty() {
            self.0 = Slab::new();
        }
    }

    /// Whether there are no clients.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The number of clients.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Closes every client with this code and reason, after everything that was sent before.
    pub fn close(&self, code: u16, reason: &str) {
        for (_, client) in &self.0 {
            client.close(code, reason);
        }
    }

    /// Sends encoded messages to every client, and yields to other tasks now and then. It waits for no client: what a
    /// slow one cannot take goes to its outbox, or the client is closed.
    pub async fn send(&self, messages: &Bytes) {
        for (index, (_, client)) in self.0.iter().enumerate() {
            if index % WRITES_PER_YIELD == WRITES_PER_YIELD - 1 {
                tokio::task::yield_now().await;
            }
            client.send(messages);
        }
    }
}
