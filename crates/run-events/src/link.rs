use std::ops::Deref;

use fred::clients::Pool;
use fred::interfaces::ClientLike;
use redis_core::{ConnectError, RedisConfig, connect};
use tokio::runtime::Handle;

/// Connections to Redis that end when this is dropped; fred's own live as long as the process.
pub(crate) struct Link {
    pool: Pool,
    runtime: Handle,
}

impl Link {
    pub(crate) async fn connect(redis: &RedisConfig) -> Result<Self, ConnectError> {
        Ok(Self { pool: connect::connected_pool(redis).await?, runtime: Handle::current() })
    }
}

impl Deref for Link {
    type Target = Pool;

    fn deref(&self) -> &Pool {
        &self.pool
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let pool = self.pool.clone();
        self.runtime.spawn(async move { pool.quit().await });
    }
}
