use std::sync::Arc;
use std::time::Duration;

use fred::clients::Client;
use fred::error::ErrorKind;
use fred::interfaces::{ClientLike, StreamsInterface};
use redis_core::{ConnectError, Connection, ErrorClass, Key, RedisConfig, RedisError, State, connect};
use tokio::sync::watch;
use tokio::time::timeout;

use super::client::{GROUP, StreamEntries};
use super::job::Jobs;
use crate::dataset::Dataset;

/// Waits for new jobs, on a connection of its own because the reads block.
pub struct JobReader {
    client: Client,
    consumer: Arc<str>,
    jobs_key: String,
}

impl JobReader {
    /// Connects in the background. `consumer` is the name that the process's [`Store`](super::Store) has.
    ///
    /// # Errors
    /// When the configuration is invalid.
    pub fn connect(
        config: &RedisConfig,
        consumer: &str,
        dataset: &Dataset,
    ) -> Result<(Self, watch::Receiver<State>), ConnectError> {
        let Connection { client, state, .. } = connect::client(config)?;
        let jobs_key = dataset.key(Key::EtlJobs);
        Ok((Self { client, consumer: consumer.into(), jobs_key }, state))
    }

    /// Waits for new jobs and takes up to `count` of them. Returns none if there were none within `wait`.
    pub async fn read(&self, count: usize, wait: Duration) -> Result<Jobs, RedisError> {
        let wait = wait.min(connect::MAX_BLOCKING);
        let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1);
        let count = u64::try_from(count).ok();
        let read = self.client.xreadgroup(
            GROUP,
            self.consumer.as_ref(),
            count,
            Some(wait_ms),
            false,
            self.jobs_key.as_str(),
            ">",
        );
        let reply: Result<Result<Vec<(String, StreamEntries)>, RedisError>, _> =
            timeout(wait + REPLY_TIMEOUT, read).await;
        let reply = reply.unwrap_or_else(|_| Err(RedisError::new(ErrorKind::Timeout, NO_REPLY)));
        if let Err(error) = &reply
            && (*error.kind() == ErrorKind::Timeout || ErrorClass::of(error) == ErrorClass::WrongServer)
        {
            // The connection is half-open, or leads to a server that is not the primary any more. If Redis gave jobs to it,
            // they are taken over after their lease.
            let _ = timeout(REPLY_TIMEOUT, self.client.force_reconnection()).await;
        }
        let entries = reply?.into_iter().flat_map(|(_, entries)| entries);
        Ok(Jobs::parse(entries.map(|(entry_id, fields)| (entry_id, fields.into_iter().nth(1)))))
    }
}

/// An answer that takes so much longer than the wait counts as lost.
const REPLY_TIMEOUT: Duration = Duration::from_secs(3);
const NO_REPLY: &str = "no reply on the blocking connection";
