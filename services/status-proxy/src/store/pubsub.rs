//! The subscribing connection.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fred::clients::{Client, WithOptions};
use fred::error::ErrorKind;
use fred::interfaces::{ClientLike, PubsubInterface};
use fred::types::config::Options;
use fred::types::{CustomCommand, Value};
use parking_lot::Mutex;
use redis_core::{Channel, Connection, ErrorClass, RedisError};

/// A command on this connection that takes longer has failed.
const TIMEOUT: Duration = Duration::from_secs(3);
/// The most channels in one SUBSCRIBE.
const BATCH_SIZE: usize = 512;
/// How often a barrier is tried until replies are those of their commands again.
const MAX_BARRIERS: usize = 20;

/// The connection that all subscriptions share. It does not restore them after a reconnect: the subscriber does.
pub(crate) struct PubSubConnection {
    connection: Connection<Client>,
    barriers: AtomicU64,
    /// The channels that are subscribed on the present connection.
    subscribed: Mutex<HashSet<Arc<str>>>,
}

impl PubSubConnection {
    pub(super) fn new(connection: Connection<Client>) -> Self {
        Self { connection, barriers: AtomicU64::new(0), subscribed: Mutex::default() }
    }

    /// The connection is a new one, without subscriptions.
    pub(crate) fn start_anew(&self) {
        self.subscribed.lock().clear();
    }

    /// Subscribes to channels. When this returns, Redis has confirmed it, for all but those that it returns: the user may
    /// not subscribe to them.
    pub(crate) async fn subscribe(&self, channels: &[Arc<str>]) -> Result<Vec<Arc<str>>, RedisError> {
        let mut forbidden = Vec::new();
        let mut parts: Vec<&[Arc<str>]> = channels.chunks(BATCH_SIZE).collect();
        while let Some(part) = parts.pop() {
            // Redis refuses a SUBSCRIBE as a whole, so it is divided until the forbidden channels are alone.
            match self.subscribe_together(part).await {
                Err(error) if ErrorClass::of(&error) == ErrorClass::Forbidden => match part {
                    [channel] => forbidden.push(channel.clone()),
                    _ => parts.extend(<[_; 2]>::from(part.split_at(part.len() / 2))),
                },
                result => result?,
            }
        }
        Ok(forbidden)
    }

    /// Subscribes to channels, all of them or none. When this returns, Redis has confirmed it.
    pub(crate) async fn subscribe_together(&self, channels: &[Arc<str>]) -> Result<(), RedisError> {
        let (before, new) = {
            let subscribed = self.subscribed.lock();
            (subscribed.len(), channels.iter().filter(|channel| !subscribed.contains(*channel)).count())
        };
        if new == 0 {
            return Ok(());
        }
        self.without_retries().subscribe(names(channels)).await?;
        match self.confirm("sub").await? {
            // A Redis before 6.2 does not say. It has no rules for channels either.
            None => {}
            Some(count) if count >= before + new => {}
            Some(count) if count == before => return Err(forbidden("SUBSCRIBE")),
            Some(_) => return Err(misplaced_reply()),
        }
        self.subscribed.lock().extend(channels.iter().cloned());
        Ok(())
    }

    /// Subscribes to every channel that can be a status channel. When this returns, Redis has confirmed it.
    pub(crate) async fn subscribe_all(&self) -> Result<(), RedisError> {
        let every = Channel::StatusPattern.to_string();
        self.without_retries().psubscribe(every.as_str()).await?;
        match self.confirm("psub").await? {
            Some(0) => Err(forbidden(&format!("PSUBSCRIBE to {every}"))),
            _ => Ok(()),
        }
    }

    pub(crate) async fn unsubscribe(&self, channels: &[Arc<str>]) -> Result<(), RedisError> {
        let client = self.without_retries();
        for batch in channels.chunks(BATCH_SIZE) {
            client.unsubscribe(names(batch)).await?;
            let mut subscribed = self.subscribed.lock();
            for channel in batch {
                subscribed.remove(channel);
            }
        }
        Ok(())
    }

    /// Drops the connection and makes a new one.
    pub(crate) async fn reconnect(&self) {
        // An error means that the connection is lost already; then fred makes a new one anyway.
        let _ = tokio::time::timeout(TIMEOUT, self.connection.client.force_reconnection()).await;
    }

    /// Whether the connection carries commands.
    pub(crate) async fn is_alive(&self) -> bool {
        self.barrier().await.is_ok()
    }

    /// Waits until Redis has carried out the SUBSCRIBE before this, and returns how many subscriptions of this kind the
    /// connection has, if Redis says so.
    ///
    /// fred returns from SUBSCRIBE when it is written. The error with which Redis may refuse it counts as the reply to the
    /// next command, or for nothing if that is not sent yet. So only the number of subscriptions is beyond doubt.
    async fn confirm(&self, kind: &str) -> Result<Option<usize>, RedisError> {
        for _ in 0..MAX_BARRIERS {
            match self.barrier().await {
                Ok(true) => return self.count(kind).await,
                Err(error) if ErrorClass::of(&error) == ErrorClass::Unreachable => return Err(error),
                Ok(false) | Err(_) => {}
            }
        }
        Err(misplaced_reply())
    }

    async fn count(&self, kind: &str) -> Result<Option<usize>, RedisError> {
        let client_info = CustomCommand::new_static("CLIENT", None, false);
        match self.without_retries().custom::<String, _>(client_info, vec!["INFO"]).await {
            Ok(info) => {
                let count =
                    info.split_whitespace().find_map(|field| field.strip_prefix(kind)?.strip_prefix('='));
                Ok(count.and_then(|count| count.parse().ok()))
            }
            Err(error) if ErrorClass::of(&error).is_invalid() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sends a number, which Redis sends back after it has carried out the commands before. `false`: it sent something else,
    /// the reply to an earlier command.
    ///
    /// It is no PING: Redis refuses that when it cannot save to its disk.
    async fn barrier(&self) -> Result<bool, RedisError> {
        let number = self.barriers.fetch_add(1, Ordering::Relaxed).to_string();
        let echo = CustomCommand::new_static("ECHO", None, false);
        let reply: Value = self.without_retries().custom(echo, vec![number.as_str()]).await?;
        Ok(reply.as_str().is_some_and(|reply| reply == number))
    }

    /// The client for commands that fail when the connection is lost. A new connection gets all its subscriptions anew, so
    /// fred must not repeat single ones there.
    fn without_retries(&self) -> WithOptions<Client> {
        let options =
            Options { max_attempts: Some(1), fail_fast: true, timeout: Some(TIMEOUT), ..Options::default() };
        self.connection.client.with_options(&options)
    }
}

fn names(channels: &[Arc<str>]) -> Vec<String> {
    channels.iter().map(|channel| channel.to_string()).collect()
}

/// As Redis would say it.
fn forbidden(what: &str) -> RedisError {
    RedisError::new(ErrorKind::Auth, format!("NOPERM this user may not {what}"))
}

/// Only a new connection can help.
fn misplaced_reply() -> RedisError {
    RedisError::new(ErrorKind::IO, "Redis sent the reply of another command")
}
