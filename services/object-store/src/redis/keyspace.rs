//! Where the keys of one partition of the store are: in one hash slot, which a shard of the Cluster has. One Redis has all slots.

use std::sync::Arc;

use fred::clients::Client;
use fred::error::Error;
use redis_core::Redis;
use redis_core::key::hash_slot;

/// The keys of one partition.
#[derive(Clone)]
pub(super) struct Keyspace {
    redis: Redis,
    slot: u16,
    prefix: Arc<str>,
}

impl Keyspace {
    /// The keys that begin with this.
    pub(super) fn new(redis: Redis, prefix: &str) -> Self {
        Self { redis, slot: hash_slot(prefix), prefix: prefix.into() }
    }

    /// What every key begins with: the `prefix` of [`redis_core::Key`].
    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Runs a command on the shard that has the keys, see [`Redis::run_on_slot`].
    pub(super) async fn run<T, F: Future<Output = Result<T, Error>>>(
        &self,
        op: impl Fn(Client) -> F,
    ) -> Result<T, Error> {
        self.redis.run_on_slot(self.slot, op).await
    }

    /// As [`run`](Self::run), over one connection, see [`Redis::run_in_order`].
    pub(super) async fn run_in_order<T, F: Future<Output = Result<T, Error>>>(
        &self,
        op: impl Fn(Client) -> F,
    ) -> Result<T, Error> {
        self.redis.run_in_order(self.slot, op).await
    }
}
