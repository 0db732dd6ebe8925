use std::sync::Arc;
use std::time::Duration;

use fred::clients::Client;
use fred::error::ErrorKind;
use fred::interfaces::{ClientLike, StreamsInterface};
use redis_core::{ConnectError, Connection, RedisConfig, RedisError, connect};
use tokio::time::timeout;

use super::client::{GROUP, StreamEntries, jobs_key};
use super::job::Job;

/// Waits for new jobs, on a connection of its own because the reads block.
pub struct JobReader {
    client: Client,
    consumer: Arc<str>,
}

impl JobReader {
    /// Connects in the background. `consumer` is the name that the process's [`Store`](super::Store) has.
    ///
    /// # Errors
    /// When the configuration is invalid.
    pub fn connect(config: &RedisConfig, consumer: &str) -> Result<Self, ConnectError> {
        let Connection { client, .. } = connect::client(config)?;
        Ok(Self { client, consumer: consumer.into() })
    }

    /// Waits for new jobs and takes up to `count` of them. Returns none if there were none within `wait`.
    pub async fn read(&self, count: usize, wait: Duration) -> Result<Vec<Job>, RedisError> {
        let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1);
        let count = u64::try_from(count).ok();
        let read = self.client.xreadgroup(
            GROUP,
            self.consumer.as_ref(),
            count,
            Some(wait_ms),
            false,
            jobs_key(),
            ">",
        );
        let reply: Result<Result<Vec<(String, StreamEntries)>, RedisError>, _> =
            timeout(wait + REPLY_TIMEOUT, read).await;
        let Ok(reply) = reply else {
            // The connection does not answer. If Redis gave jobs to it, they are taken over after their lease.
            self.client.force_reconnection().await?;
            return Err(RedisError::new(ErrorKind::Timeout, "no reply on the blocking connection"));
        };
        let entries = reply?.into_iter().flat_map(|(_, entries)| entries);
        Ok(entries.filter_map(|(entry, fields)| Job::new(entry, fields.into_iter().nth(1)?)).collect())
    }
}

const REPLY_TIMEOUT: Duration = Duration::from_secs(5);
