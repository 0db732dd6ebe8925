//! Connections with an owner.

use std::ops::Deref;

use redis_core::{ConnectError, Redis, RedisConfig};
use tokio::runtime::Handle;

/// Connections to Redis that are closed when this is dropped. fred's own stay connected as long as the process lives.
pub(crate) struct OwnedRedis {
    redis: Redis,
    runtime: Handle,
}

impl OwnedRedis {
    pub(crate) async fn connect(config: &RedisConfig) -> Result<Self, ConnectError> {
        Ok(Self { redis: Redis::connected(config).await?, runtime: Handle::current() })
    }
}

impl Deref for OwnedRedis {
    type Target = Redis;

    fn deref(&self) -> &Redis {
        &self.redis
    }
}

impl Drop for OwnedRedis {
    fn drop(&mut self) {
        self.runtime.spawn(self.redis.clone().quit());
    }
}
