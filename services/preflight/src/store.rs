//! Redis: subscribes to runs, reads them, and finds out which changes Redis reports.

mod canary;
mod error;
mod event;
mod listener;
mod listeners;
mod needs;
mod run_reader;
mod subscriber;

use redis_core::id::RunId;
use redis_core::{ConnectError, Key, KeyScan, Redis, RedisConfig, RedisError, Shard, State};
use tokio::sync::{mpsc, watch};

use crate::run_hash::RunHash;
use crate::shard_name::ShardName;
use error::{is_forbidden, unknown_shard};
pub(crate) use event::Event;
use listeners::Listeners;
use run_reader::RunReader;

/// The connections to Redis. To each shard one connection subscribes, and a pool of others reads.
pub(crate) struct Store {
    redis: Redis,
    listeners: Listeners,
    reader: RunReader,
}

impl Store {
    /// `max_run_bytes`: as [`read`](Self::read) says.
    pub(crate) fn new(config: &RedisConfig, max_run_bytes: usize) -> Result<Self, ConnectError> {
        let redis = Redis::connect(config, needs::needs())?;
        Ok(Self {
            listeners: Listeners::new(redis.clone()),
            reader: RunReader { redis: redis.clone(), max_bytes: max_run_bytes },
            redis,
        })
    }

    /// The states of the connections: the subscribing ones, then the reading ones.
    pub(crate) fn states(&self) -> [watch::Receiver<State>; 2] {
        [self.listeners.state(), self.redis.state()]
    }

    /// The shard that has the run now; `None` if none is known.
    pub(crate) fn shard_of(&self, run: &RunId) -> Option<ShardName> {
        self.shard(run).map(|shard| ShardName::new(&shard))
    }

    /// Whether the run's shard refuses what preflight needs of it for all runs.
    pub(crate) fn is_refused(&self, run: &RunId) -> bool {
        self.shard(run).is_none_or(|shard| shard.state().borrow().is_err())
    }

    fn shard(&self, run: &RunId) -> Option<Shard> {
        self.redis.shard_of(Key::Run(run).name(self.redis.layout()))
    }

    /// The run's current hash; `None` if the names and values of its fields are longer than the limit. A key of another type
    /// counts as a run without fields.
    pub(crate) async fn read(&self, run: &RunId) -> Result<Option<RunHash>, RedisError> {
        self.reader.read(run).await
    }

    /// A walk over all keys that may be runs.
    pub(crate) fn scan(&self) -> KeyScan {
        KeyScan::new(&self.redis, "*", "hash")
    }

    /// Subscribes to changes of a run at its shard. When this returns `true`, Redis has confirmed it, so that every later
    /// change there is reported; `false` means that the user may not.
    pub(crate) async fn subscribe(&self, shard: &ShardName, run: &RunId) -> Result<bool, RedisError> {
        let listener = self.listeners.get(shard).ok_or_else(unknown_shard)?;
        match listener.subscriber.subscribe(Key::Run(run)).await {
            Err(error) if is_forbidden(&error) => Ok(false),
            other => other.map(|()| true),
        }
    }

    /// Ends the subscription to a run.
    pub(crate) async fn unsubscribe(&self, shard: &ShardName, run: &RunId) {
        if let Some(listener) = self.listeners.get(shard) {
            // If this fails the connection is lost, and with it the subscription.
            let _ = listener.subscriber.unsubscribe(Key::Run(run)).await;
        }
    }

    /// Sends events until the receiver is dropped.
    pub(crate) async fn listen(&self, events: mpsc::Sender<Event>) {
        self.listeners.listen(events).await;
    }
}
