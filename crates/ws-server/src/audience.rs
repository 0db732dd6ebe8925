//! The clients that get the same messages.

use bytes::Bytes;
use slab::Slab;

use crate::client::Client;

/// Writes before others get a turn: a write costs some microseconds.
const WRITES_AT_ONCE: usize = 64;

/// A set of clients of one transport, for which a message is encoded once.
#[derive(Default)]
pub struct Audience(Slab<Client>);

impl Audience {
    /// Adds a client; the number is what takes it out again.
    pub fn insert(&mut self, client: Client) -> usize {
        self.0.insert(client)
    }

    /// Takes a client out, if it is still there.
    pub fn remove(&mut self, number: usize) {
        self.0.try_remove(number);
        if self.0.is_empty() {
            self.0 = Slab::new();
        }
    }

    /// Whether nobody is there.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many are there.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Sends encoded messages to everybody, in bounded turns. Who cannot take them waits by itself, or is closed.
    pub async fn send(&self, messages: &Bytes) {
        for (index, (_, client)) in self.0.iter().enumerate() {
            if index % WRITES_AT_ONCE == WRITES_AT_ONCE - 1 {
                tokio::task::yield_now().await;
            }
            client.send(messages);
        }
    }
}
