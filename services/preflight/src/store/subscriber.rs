//! The connection that subscribes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fred::clients::Client;
use fred::error::ErrorKind;
use fred::interfaces::{ClientLike, EventInterface, PubsubInterface};
use fred::types::{KeyspaceEvent, Value};
use redis_core::{Channel, ConnectError, Connection, Key, RedisConfig, RedisError, State, connect};
use tokio::sync::{broadcast, watch};
use tokio::time::timeout;

/// A connection that does not answer a PING for this long counts as broken.
const PING_TIMEOUT: Duration = Duration::from_secs(5);
/// Notifications that may wait to be received. If more come the oldest are lost, and all watched runs are
/// read again.
const NOTIFICATION_CAPACITY: usize = 4096;

/// A connection that only subscribes and sends PING.
///
/// It does not read runs. If Redis refuses a SUBSCRIBE, fred takes that error for the reply to the next
/// command. On a connection that also reads, a run could get the hash of another run. Here only a PING can
/// get a wrong reply, and each PING carries its own number, so that is noticed.
pub(super) struct Subscriber {
    connection: Connection<Client>,
    db: u8,
    next_ping: AtomicU64,
}

impl Subscriber {
    pub(super) fn new(config: &RedisConfig) -> Result<Self, ConnectError> {
        Ok(Self {
            connection: connect::listener(config, NOTIFICATION_CAPACITY)?,
            db: config.db(),
            next_ping: AtomicU64::new(0),
        })
    }

    pub(super) fn state(&self) -> watch::Receiver<State> {
        self.connection.state.clone()
    }

    /// The notifications for all keys that are subscribed to.
    pub(super) fn notifications(&self) -> broadcast::Receiver<KeyspaceEvent> {
        self.connection.client.keyspace_event_rx()
    }

    /// Receives a value for each new connection.
    pub(super) fn reconnects(&self) -> broadcast::Receiver<fred::types::config::Server> {
        self.connection.client.reconnect_rx()
    }

    /// Drops the connection and makes a new one.
    pub(super) async fn reconnect(&self) {
        let _ = self.connection.client.force_reconnection().await;
    }

    /// Subscribes to a key. When this returns, Redis has carried it out.
    pub(super) async fn subscribe(&self, key: Key<'_>) -> Result<(), RedisError> {
        self.connection.client.subscribe(Channel::Keyspace(self.db, key).to_string()).await?;
        self.barrier().await
    }

    pub(super) async fn unsubscribe(&self, key: Key<'_>) -> Result<(), RedisError> {
        self.connection.client.unsubscribe(Channel::Keyspace(self.db, key).to_string()).await
    }

    /// Waits until Redis has carried out all that was sent on this connection before.
    pub(super) async fn barrier(&self) -> Result<(), RedisError> {
        let number = self.next_ping.fetch_add(1, Ordering::Relaxed).to_string();
        match timeout(PING_TIMEOUT, self.connection.client.ping::<Value>(Some(number.clone()))).await {
            Ok(Ok(reply)) if is_pong(&reply, &number) => Ok(()),
            Ok(Ok(_)) => Err(RedisError::new(ErrorKind::Protocol, "redis sent the reply of another command")),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(RedisError::new(ErrorKind::Protocol, "redis did not reply in time")),
        }
    }
}

/// Whether this is the reply to the PING with that number. With subscriptions the reply is a list, `pong` and
/// the number; without it is the number alone.
fn is_pong(reply: &Value, number: &str) -> bool {
    match reply {
        Value::Array(parts) => parts.last().is_some_and(|last| last.as_str().as_deref() == Some(number)),
        value => value.as_str().as_deref() == Some(number),
    }
}
