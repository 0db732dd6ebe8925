use std::sync::Arc;

use fred::clients::Pool;
use fred::types::FromValue;
use fred::types::scripts::Script;
use redis_core::key::game_suffix;
use redis_core::{ConnectError, Connection, Key, RedisConfig, RedisError, State, connect};
use tokio::sync::watch;

use super::scripts::Scripts;

/// Games and jobs in Redis, as one worker process sees them.
#[derive(Clone)]
pub struct Store {
    pub(super) pool: Pool,
    pub(super) consumer: Arc<str>,
    pub(super) scripts: Arc<Scripts>,
}

impl Store {
    /// Connects in the background. `consumer` names this process in the consumer group; no other process may use it.
    ///
    /// # Errors
    /// When the configuration is invalid.
    pub fn connect(
        config: &RedisConfig,
        consumer: &str,
    ) -> Result<(Self, watch::Receiver<State>), ConnectError> {
        let Connection { client: pool, state, .. } = connect::pool(config)?;
        Ok((Self::new(pool, consumer), state))
    }

    /// Connects before it returns, for commands.
    ///
    /// # Errors
    /// When the first attempt to connect fails.
    pub async fn connect_now(config: &RedisConfig, consumer: &str) -> Result<Self, ConnectError> {
        Ok(Self::new(connect::connected_pool(config).await?, consumer))
    }

    fn new(pool: Pool, consumer: &str) -> Self {
        Self { pool, consumer: consumer.into(), scripts: Arc::new(Scripts::load()) }
    }

    pub(super) fn group_and_consumer(&self) -> impl Iterator<Item = String> + use<> {
        [GROUP.to_owned(), self.consumer.to_string()].into_iter()
    }

    pub(super) async fn run<R: FromValue>(
        &self,
        script: &Script,
        keys: Vec<String>,
        args: Vec<String>,
    ) -> Result<R, RedisError> {
        script.evalsha_with_reload(self.pool.next(), keys, args).await
    }
}

/// The consumer group of all workers.
pub(super) const GROUP: &str = "workers";

/// A page of a stream: the id of each entry, and its fields and values in turn.
pub(super) type StreamEntries = Vec<(String, Vec<String>)>;

pub(super) fn jobs_key() -> String {
    Key::EtlJobs.to_string()
}

/// The first arguments of the scripts that use `records.lua`.
pub(super) fn record_suffixes() -> impl Iterator<Item = String> {
    use game_suffix::{HOST, LOGS, ORDER, PARTICIPANTS, STATUS, SUPERHEROS};
    [SUPERHEROS, LOGS, ORDER, STATUS, PARTICIPANTS, HOST].into_iter().map(str::to_owned)
}
