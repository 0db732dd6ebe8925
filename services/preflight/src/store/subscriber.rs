//! The connection that subscribes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fred::clients::Client;
use fred::error::ErrorKind;
use fred::interfaces::{ClientLike, EventInterface, PubsubInterface};
use fred::types::{CustomCommand, KeyspaceEvent, Value};
use redis_core::{Channel, ConnectError, Connection, Key, RedisConfig, RedisError, State, connect};
use tokio::sync::{broadcast, watch};
use tokio::time::timeout;

/// A connection that does not answer for this long counts as broken.
const ECHO_TIMEOUT: Duration = Duration::from_secs(5);
/// Notifications that may wait to be received. If more come the oldest are lost, and all watched runs are
/// read again.
const NOTIFICATION_CAPACITY: usize = 4096;

/// A connection that only subscribes and sends ECHO.
///
/// It does not read runs. If Redis refuses a SUBSCRIBE, fred takes that error for the reply to the next
/// command. On a connection that also reads, a run could get the hash of another run. Here only an ECHO can
/// get a wrong reply, and each ECHO carries its own number, so that is noticed.
pub(super) struct Subscriber {
    connection: Connection<Client>,
    db: u8,
    next_echo: AtomicU64,
}

impl Subscriber {
    pub(super) fn new(config: &RedisConfig) -> Result<Self, ConnectError> {
        Ok(Self {
            connection: connect::listener(config, NOTIFICATION_CAPACITY)?,
            db: config.db(),
            next_echo: AtomicU64::new(0),
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
        let channel = Channel::Keyspace(self.db, key).to_string();
        // Both are sent at once, so that the error with which Redis may refuse the first meets the second.
        let (sent, done) = tokio::join!(self.connection.client.subscribe(channel), self.barrier());
        sent.and(done)
    }

    pub(super) async fn unsubscribe(&self, key: Key<'_>) -> Result<(), RedisError> {
        self.connection.client.unsubscribe(Channel::Keyspace(self.db, key).to_string()).await
    }

    /// Waits until Redis has carried out all that was sent on this connection before.
    ///
    /// It is no PING: Redis refuses that when it cannot save to its disk.
    pub(super) async fn barrier(&self) -> Result<(), RedisError> {
        let number = self.next_echo.fetch_add(1, Ordering::Relaxed).to_string();
        let echo = CustomCommand::new_static("ECHO", None, false);
        let reply = self.connection.client.custom::<Value, _>(echo, vec![number.as_str()]);
        match timeout(ECHO_TIMEOUT, reply).await {
            Ok(Ok(reply)) if reply.as_str().is_some_and(|reply| reply == number) => Ok(()),
            Ok(Ok(_)) => Err(RedisError::new(ErrorKind::Protocol, "redis sent the reply of another command")),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(RedisError::new(ErrorKind::Protocol, "redis did not reply in time")),
        }
    }
}
