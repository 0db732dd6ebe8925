//! A pool of connections with an owner.

use std::ops::Deref;

use fred::clients::Pool;
use fred::interfaces::ClientLike;
use redis_core::{ConnectError, Connection, RedisConfig, connect};
use tokio::runtime::Handle;

/// Connections to Redis that are closed when this is dropped. fred's own pool stays connected as long as the process
/// lives.
pub(crate) struct OwnedPool {
    pool: Connection<Pool>,
    runtime: Handle,
}

impl OwnedPool {
    pub(crate) async fn connect(redis: &RedisConfig) -> Result<Self, ConnectError> {
        Ok(Self { pool: connect::connected(redis).await?, runtime: Handle::current() })
    }
}

impl Deref for OwnedPool {
    type Target = Pool;

    fn deref(&self) -> &Pool {
        &self.pool.client
    }
}

impl Drop for OwnedPool {
    fn drop(&mut self) {
        let pool = self.pool.client.clone();
        self.runtime.spawn(async move { pool.quit().await });
    }
}
