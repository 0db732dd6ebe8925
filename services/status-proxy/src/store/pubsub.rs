//! The subscribing connection.

use std::sync::Arc;
use std::time::Duration;

use fred::clients::{Client, WithOptions};
use fred::interfaces::{ClientLike, PubsubInterface};
use fred::types::Value;
use fred::types::config::Options;
use redis_core::{Channel, Connection, RedisError};

/// A command on this connection that takes longer has failed.
const TIMEOUT: Duration = Duration::from_secs(3);
/// The most channels in one SUBSCRIBE.
const BATCH_SIZE: usize = 512;

/// The connection that all subscriptions share. It does not restore them after a reconnect: the subscriber does.
pub(crate) struct PubSubConnection(pub(super) Connection<Client>);

impl PubSubConnection {
    /// Subscribes to channels. When this returns, Redis has confirmed it.
    pub(crate) async fn subscribe(&self, channels: Vec<Arc<str>>) -> Result<(), RedisError> {
        let client = self.without_retries();
        for batch in channels.chunks(BATCH_SIZE) {
            client.subscribe(batch.iter().map(|channel| channel.to_string()).collect::<Vec<_>>()).await?;
        }
        self.barrier().await
    }

    /// Subscribes to every channel that can be a status channel. When this returns, Redis has confirmed it.
    pub(crate) async fn subscribe_all(&self) -> Result<(), RedisError> {
        self.without_retries().psubscribe(Channel::StatusPattern.to_string()).await?;
        self.barrier().await
    }

    pub(crate) async fn unsubscribe(&self, channels: Vec<Arc<str>>) -> Result<(), RedisError> {
        let client = self.without_retries();
        for batch in channels.chunks(BATCH_SIZE) {
            client.unsubscribe(batch.iter().map(|channel| channel.to_string()).collect::<Vec<_>>()).await?;
        }
        Ok(())
    }

    /// Drops the connection and makes a new one.
    pub(crate) async fn reconnect(&self) {
        // An error means that the connection is lost already; then fred makes a new one anyway.
        let _ = tokio::time::timeout(TIMEOUT, self.0.client.force_reconnection()).await;
    }

    /// Waits until Redis has done the commands before this. fred returns from SUBSCRIBE when it is written; the reply to a
    /// PING behind it proves that Redis has read both.
    async fn barrier(&self) -> Result<(), RedisError> {
        self.without_retries().ping::<Value>(None).await.map(drop)
    }

    /// The client for commands that fail when the connection is lost. A new connection gets all its subscriptions anew, so
    /// fred must not repeat single ones there.
    fn without_retries(&self) -> WithOptions<Client> {
        let options =
            Options { max_attempts: Some(1), fail_fast: true, timeout: Some(TIMEOUT), ..Options::default() };
        self.0.client.with_options(&options)
    }
}
