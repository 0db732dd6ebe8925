//! The connections to Redis, and what all operations need.

use chassis::Gate;
use fred::clients::Client;
use fred::types::scripts::Script;
use fred::types::{FromValue, Key as RedisKey, Value};
use redis_core::error::reason;
use redis_core::{
    Channel, ConnectError, ErrorClass, Key, Redis, RedisConfig, RedisError, Subscriber, WaitReplicas,
};
use tokio::sync::{Notify, broadcast};

use super::listeners::Listeners;
use super::needs::needs;
use super::scripts::Scripts;

use crate::event::Event;
use crate::hint::{BROADCAST_CAPACITY, Hint};
use crate::lanes::{Lane, Lanes};
use crate::unavailable::Unavailable;
use crate::warn_once::WarnOnce;

/// Scenarios and upcoming events, shared by all instances.
pub(crate) struct Store {
    pub(super) redis: Redis,
    pub(super) subscriber: Subscriber,
    pub(super) scripts: Scripts,
    pub(super) lanes: Lanes,
    /// By lane.
    pub(super) hints: Vec<broadcast::Sender<Hint>>,
    pub(super) published: broadcast::Sender<Event>,
    pub(super) listeners: Listeners,
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
        let redis = Redis::connect(config, needs(config.layout()))?;
        let lanes = Lanes::of_layout(redis.layout());
        let hints = lanes.iter().map(|_| broadcast::Sender::new(BROADCAST_CAPACITY / lanes.count()));
        Ok(Self {
            subscriber: redis.subscriber()?,
            redis,
            scripts: Scripts::new(),
            lanes,
            hints: hints.collect(),
            published: broadcast::Sender::new(BROADCAST_CAPACITY),
            listeners: Listeners::default(),
            wait_replicas: config.wait_replicas(),
            invalid_reply: Notify::new(),
            warnings: WarnOnce::default(),
        })
    }

    /// Opens and closes the gate as the connections of the pools come and go. Ends with the pools.
    pub(crate) async fn update_gate(&self, gate: Gate) {
        gate.follow(self.redis.state()).await;
    }

    /// How the timeline is divided here.
    pub(crate) fn lanes(&self) -> Lanes {
        self.lanes
    }

    /// Hints of changes of a lane from now on, by any instance.
    pub(crate) fn hints(&self, lane: Lane) -> broadcast::Receiver<Hint> {
        self.hints[lane.number()].subscribe()
    }

    /// Events from now on as they are published, by any instance.
    pub(crate) fn published(&self) -> broadcast::Receiver<Event> {
        self.published.subscribe()
    }

    /// The name of a key here.
    pub(super) fn name(&self, key: Key<'_>) -> String {
        key.name(self.redis.layout())
    }

    /// Where a script announces what it changed in a lane.
    pub(super) fn hint_channel(&self, lane: Lane) -> String {
        Channel::TimelineChanged(lane.key_partition()).name(self.redis.layout())
    }

    /// Runs `op` on the server that has the keys of the lane, as [`Redis::run`] does.
    pub(super) async fn run<T, F: Future<Output = Result<T, RedisError>>>(
        &self,
        lane: Lane,
        op: impl Fn(Client) -> F,
    ) -> Result<T, Unavailable> {
        let result = self.redis.run_on_slot(lane.key_partition().slot(), op).await;
        result.map_err(|error| self.failed(error))
    }

    pub(super) async fn run_script<T: FromValue>(
        &self,
        lane: Lane,
        script: &Script,
        keys: &[Key<'_>],
        args: Vec<Value>,
    ) -> Result<T, Unavailable> {
        let (keys, args) = (&self.names(keys), &args);
        self.run(lane, |client| async move { call(&client, script, keys.clone(), args.clone()).await }).await
    }

    /// Runs a script that changes something, and waits until enough replicas have what it wrote.
    pub(super) async fn run_change(
        &self,
        lane: Lane,
        script: &Script,
        keys: &[Key<'_>],
        args: Vec<Value>,
    ) -> Result<i64, Unavailable> {
        let (keys, args, wait) = (&self.names(keys), &args, self.wait_replicas);
        self.run(lane, |client| async move {
            wait.confirm(&client, call(&client, script, keys.clone(), args.clone())).await
        })
        .await
    }

    pub(super) fn names(&self, keys: &[Key<'_>]) -> Vec<RedisKey> {
        keys.iter().map(|key| RedisKey::from(self.name(*key))).collect()
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

/// Runs a script. A server that does not know it is told it.
pub(super) async fn call<T: FromValue>(
    client: &Client,
    script: &Script,
    keys: Vec<RedisKey>,
    args: Vec<Value>,
) -> Result<T, RedisError> {
    script.evalsha_with_reload(client, keys, args).await
}
