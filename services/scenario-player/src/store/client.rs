//! The connections to Redis, and what all operations need.

use chassis::Gate;
use fred::clients::{Client, Pool, SubscriberClient};
use fred::types::scripts::Script;
use fred::types::{FromValue, Key as RedisKey, Value};
use redis_core::connect::{self, ConnectError};
use redis_core::error::reason;
use redis_core::{Connection, ErrorClass, Key, RedisConfig, RedisError, WaitReplicas};
use tokio::sync::{Notify, broadcast};

use super::needs::needs;
use super::scripts::Scripts;

use crate::event::Event;
use crate::hint::{BROADCAST_CAPACITY, Hint};
use crate::unavailable::Unavailable;
use crate::warn_once::WarnOnce;

/// Scenarios and upcoming events, shared by all instances.
pub(crate) struct Store {
    pool: Connection<Pool>,
    pub(super) subscriber: Connection<SubscriberClient>,
    pub(super) scripts: Scripts,
    pub(super) hints: broadcast::Sender<Hint>,
    pub(super) published: broadcast::Sender<Event>,
    /// How many replicas must have a post or a change before it is answered.
    pub(super) wait_replicas: WaitReplicas,
    /// Notified when Redis calls a command invalid: a key may have another type.
    pub(super) invalid_reply: Notify,
    pub(super) warnings: WarnOnce,
}

impl Store {
    /// Connects in the background: a pool for commands, and a subscriber for hints.
    ///
    /// # Errors
    /// When the settings cannot be used.
    pub(crate) fn connect(config: &RedisConfig) -> Result<Self, ConnectError> {
        Ok(Self {
            pool: connect::pool(config)?.check(config, needs()),
            subscriber: connect::subscriber(config)?,
            scripts: Scripts::new(),
            hints: broadcast::channel(BROADCAST_CAPACITY).0,
            published: broadcast::channel(BROADCAST_CAPACITY).0,
            wait_replicas: config.wait_replicas(),
            invalid_reply: Notify::new(),
            warnings: WarnOnce::default(),
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
        self.run_script_on(self.client(), script, keys, args).await.map_err(|error| self.failed(error))
    }

    pub(super) async fn run_script_on<T: FromValue>(
        &self,
        client: &Client,
        script: &Script,
        keys: &[Key<'_>],
        args: Vec<Value>,
    ) -> Result<T, RedisError> {
        let keys: Vec<RedisKey> = keys.iter().map(|key| RedisKey::from(key.to_string())).collect();
        script.evalsha_with_reload(client, keys, args).await
    }

    /// Runs a script that changes something, and waits until enough replicas have what it wrote.
    pub(super) async fn run_change(
        &self,
        script: &Script,
        keys: &[Key<'_>],
        args: Vec<Value>,
    ) -> Result<i64, Unavailable> {
        let client = self.client();
        let change = self.run_script_on(client, script, keys, args);
        self.wait_replicas.confirm(client, change).await.map_err(|error| self.failed(error))
    }

    /// What an error means for whoever asked for the operation.
    pub(super) fn failed(&self, error: RedisError) -> Unavailable {
        if ErrorClass::of(&error).is_invalid() {
            self.invalid_reply.notify_one();
            return Unavailable::BadData(reason(&error));
        }
        Unavailable::Refused(reason(&error))
    }
}
