//! The connections to Redis, and what all operations need.

use chassis::Gate;
use fred::clients::{Client, Pool, SubscriberClient};
use fred::types::scripts::Script;
use fred::types::{FromValue, Key as RedisKey, Value};
use redis_core::connect::{self, ConnectError};
use redis_core::{Connection, Key, RedisConfig, RedisError};
use tokio::sync::broadcast;

use super::scripts::Scripts;
use crate::event::Event;
use crate::hint::{BROADCAST_CAPACITY, Hint};
use crate::unavailable::Unavailable;

/// Scenarios and upcoming events, shared by all instances.
pub(crate) struct Store {
    pool: Connection<Pool>,
    pub(super) subscriber: Connection<SubscriberClient>,
    pub(super) scripts: Scripts,
    pub(super) hints: broadcast::Sender<Hint>,
    pub(super) published: broadcast::Sender<Event>,
}

impl Store {
    /// Connects in the background: a pool for commands, and a subscriber for hints.
    ///
    /// # Errors
    /// When the settings cannot be used.
    pub(crate) fn connect(config: &RedisConfig) -> Result<Self, ConnectError> {
        Ok(Self {
            pool: connect::pool(config)?,
            subscriber: connect::subscriber(config)?,
            scripts: Scripts::new(),
            hints: broadcast::channel(BROADCAST_CAPACITY).0,
            published: broadcast::channel(BROADCAST_CAPACITY).0,
        })
    }

    /// Opens and closes the gate as the connections of the pool come and go. Ends with the pool.
    pub(crate) async fn update_gate(&self, gate: Gate) {
        gate.follow(self.pool.state.clone()).await;
    }

    /// Hints of changes from now on, by any instance.
    pub(crate) fn hints(&self) -> broadcast::Receiver<Hint> {
        self.hints.subscribe()
    }

    /// Events from now on as they are published, by any instance.
    pub(crate) fn published(&self) -> broadcast::Receiver<Event> {
        self.published.subscribe()
    }

    /// A client for one command, pipeline or transaction.
    pub(super) fn client(&self) -> &Client {
        self.pool.client.next()
    }

    pub(super) async fn run_script<T: FromValue>(
        &self,
        script: &Script,
        keys: &[Key<'_>],
        args: Vec<Value>,
    ) -> Result<T, Unavailable> {
        let keys: Vec<RedisKey> = keys.iter().map(|key| RedisKey::from(key.to_string())).collect();
        script.evalsha_with_reload(self.client(), keys, args).await.map_err(unavailable)
    }
}

pub(super) fn unavailable(error: RedisError) -> Unavailable {
    Unavailable(error.details().to_owned())
}
