//! The connection that subscribes.

use std::mem::take;
use std::sync::Arc;

use fred::clients::Client;
use fred::error::ErrorKind;
use fred::interfaces::EventInterface;
use fred::types::KeyspaceEvent;
use fred::types::config::Server;
use parking_lot::Mutex;
use redis_core::{Channel, ConnectError, Key, PubSubConnection, RedisConfig, RedisError, State, connect};
use tokio::sync::{Mutex as TurnMutex, broadcast, oneshot, watch};

/// Notifications that may wait to be received. If more come the oldest are lost, and all watched runs are
/// read again.
const NOTIFICATION_CAPACITY: usize = 4096;

/// A connection that only subscribes, and proves what it is subscribed to. It does not read runs: a reply that is not that of
/// its command could show a run with the hash of another.
pub(super) struct Subscriber {
    pubsub: PubSubConnection,
    db: u8,
    /// Changes that wait for their turn. Those that wait together share a command.
    waiting: Mutex<Vec<Change>>,
    turn: TurnMutex<()>,
}

struct Change {
    channel: Arc<str>,
    kind: ChangeKind,
    done: oneshot::Sender<Result<(), RedisError>>,
}

#[derive(PartialEq, Eq)]
enum ChangeKind {
    Subscribe,
    Unsubscribe,
}

impl Subscriber {
    pub(super) fn new(config: &RedisConfig) -> Result<Self, ConnectError> {
        Ok(Self {
            pubsub: PubSubConnection::new(connect::listener(config, NOTIFICATION_CAPACITY)?),
            db: config.db(),
            waiting: Mutex::default(),
            turn: TurnMutex::default(),
        })
    }

    pub(super) fn state(&self) -> watch::Receiver<State> {
        self.pubsub.state()
    }

    /// Ends the connection.
    pub(super) async fn close(&self) {
        self.pubsub.close().await;
    }

    fn client(&self) -> Client {
        self.pubsub.client()
    }

    /// The notifications for all keys that are subscribed to.
    pub(super) fn notifications(&self) -> broadcast::Receiver<KeyspaceEvent> {
        self.client().keyspace_event_rx()
    }

    /// Receives a value for each new connection.
    pub(super) fn reconnects(&self) -> broadcast::Receiver<Server> {
        self.client().reconnect_rx()
    }

    /// Subscribes to a key. When this returns, Redis has confirmed it.
    pub(super) async fn subscribe(&self, key: Key<'_>) -> Result<(), RedisError> {
        self.change(key, ChangeKind::Subscribe).await
    }

    pub(super) async fn unsubscribe(&self, key: Key<'_>) -> Result<(), RedisError> {
        self.change(key, ChangeKind::Unsubscribe).await
    }

    /// Waits until Redis has carried out all that was sent on this connection before.
    pub(super) async fn settle(&self) -> Result<(), RedisError> {
        let _turn = self.turn.lock().await;
        self.checked(self.pubsub.settle().await).await
    }

    /// Proves that all subscriptions stand. If not, there will be a new connection.
    pub(super) async fn verify(&self) -> Result<(), RedisError> {
        let _turn = self.turn.lock().await;
        if self.checked(self.pubsub.stands().await).await? {
            return Ok(());
        }
        self.pubsub.reconnect().await;
        Err(RedisError::new(ErrorKind::Protocol, "a subscription does not stand"))
    }

    async fn change(&self, key: Key<'_>, kind: ChangeKind) -> Result<(), RedisError> {
        let (done, result) = oneshot::channel();
        let channel = Channel::Keyspace(self.db, key).to_string().into();
        self.waiting.lock().push(Change { channel, kind, done });
        // Whoever has the turn makes the changes of all who wait.
        let turn = self.turn.lock().await;
        let changes = take(&mut *self.waiting.lock());
        if !changes.is_empty() {
            self.make(changes).await;
        }
        drop(turn);
        result.await.unwrap_or_else(|_| Err(RedisError::new(ErrorKind::Canceled, "it was not tried")))
    }

    async fn make(&self, changes: Vec<Change>) {
        let (new, ended): (Vec<_>, Vec<_>) =
            changes.into_iter().partition(|change| change.kind == ChangeKind::Subscribe);
        let channels = |changes: &[Change]| -> Vec<Arc<str>> {
            changes.iter().map(|change| change.channel.clone()).collect()
        };
        if !ended.is_empty() {
            let result = self.pubsub.unsubscribe(&channels(&ended)).await;
            for change in ended {
                // Nobody waits for it any more when the process ends.
                let _ = change.done.send(result.clone());
            }
        }
        if !new.is_empty() {
            let result = self.checked(self.pubsub.subscribe(&channels(&new)).await).await;
            for Change { channel, done, .. } in new {
                let _ = done.send(result.clone().and_then(|forbidden| match forbidden.contains(&channel) {
                    true => Err(RedisError::new(
                        ErrorKind::Auth,
                        format!("NOPERM this user may not SUBSCRIBE to {channel}"),
                    )),
                    false => Ok(()),
                }));
            }
        }
    }

    /// After some errors only a new connection can help.
    async fn checked<T>(&self, result: Result<T, RedisError>) -> Result<T, RedisError> {
        if let Err(error) = &result
            && matches!(error.kind(), ErrorKind::Protocol | ErrorKind::Timeout)
        {
            self.pubsub.reconnect().await;
        }
        result
    }
}
