//! A connection whose caller knows what it is subscribed to.
//!
//! fred returns from SUBSCRIBE when it is written. The error with which Redis may refuse it counts as the reply to the next
//! command, or for nothing if that is not sent yet. So each subscription is proven by the number of subscriptions that the
//! connection has, of which Redis tells (CLIENT INFO).

mod link;
mod nodes;
mod proof;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use fred::clients::{Client, WithOptions};
use fred::error::ErrorKind;
use fred::interfaces::{ClientLike, PubsubInterface};
use fred::types::Message;
use fred::types::config::Server;
use parking_lot::Mutex;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::TryRecvError;
use tokio::sync::watch;

use crate::builder::once;
use crate::{Connection, ErrorClass, RedisError, State};
pub(crate) use link::Link;
pub(crate) use nodes::Nodes;
use proof::ConnectionInfo;
pub(crate) use proof::{Proof, out_of_step};

/// A command on this connection that takes longer has failed.
const TIMEOUT: Duration = Duration::from_secs(3);
/// The most channels in one SUBSCRIBE.
const BATCH_SIZE: usize = 512;

/// A connection that only subscribes. A new connection has no subscriptions: its caller makes them again.
///
/// One caller at a time may change subscriptions.
pub struct PubSubConnection {
    link: Link,
    proof: Proof,
    subscriptions: Mutex<Subscriptions>,
    reconnects: Mutex<Receiver<Server>>,
}

/// What is subscribed to on one connection.
#[derive(Default)]
struct Subscriptions {
    /// `None`: Redis was not asked yet, or does not say.
    connection_id: Option<u64>,
    channels: HashSet<Arc<str>>,
    patterns: HashSet<Arc<str>>,
}

impl PubSubConnection {
    /// `connection` is a [`listener`](crate::connect::listener) that nobody else subscribes with.
    pub fn new(connection: Connection<Client>) -> Self {
        Self::of_link(Link::fixed(connection))
    }

    pub(crate) fn of_link(link: Link) -> Self {
        let reconnects = Mutex::new(link.reconnect_rx());
        Self { link, proof: Proof::default(), subscriptions: Mutex::default(), reconnects }
    }

    /// The client of the present connection, for its events. From [`Redis::pubsub`](crate::Redis::pubsub) on a Cluster it
    /// changes: see [`message_rx`](Self::message_rx).
    pub fn client(&self) -> Client {
        self.link.client()
    }

    /// The id of the node of a Cluster that the present connection leads to. `None` on one Redis, and as long as it is not known.
    pub fn node(&self) -> Option<Arc<str>> {
        self.link.node()
    }

    /// What is published from now on, on whatever connection.
    pub fn message_rx(&self) -> Receiver<Message> {
        self.link.message_rx()
    }

    /// A value for each new connection.
    pub fn reconnect_rx(&self) -> Receiver<Server> {
        self.link.reconnect_rx()
    }

    /// Whether the connection works.
    pub fn state(&self) -> watch::Receiver<State> {
        self.link.state()
    }

    /// Subscribes to channels. When this returns, Redis has confirmed it, for all but those that it returns: the user may
    /// not subscribe to them.
    ///
    /// # Errors
    /// When the connection is lost or is another one now, or when Redis refuses for another reason. What stands is
    /// unknown then.
    pub async fn subscribe(&self, channels: &[Arc<str>]) -> Result<Vec<Arc<str>>, RedisError> {
        // Here, because a user who may not ask is no reason to call the channels forbidden.
        self.know_connection().await?;
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
    ///
    /// # Errors
    /// As [`subscribe`](Self::subscribe); of the class [`ErrorClass::Forbidden`] if the user may not.
    pub async fn subscribe_together(&self, channels: &[Arc<str>]) -> Result<(), RedisError> {
        self.know_connection().await?;
        let missing: HashSet<Arc<str>> = {
            let known = self.subscriptions.lock();
            channels.iter().filter(|channel| !known.channels.contains(*channel)).cloned().collect()
        };
        if missing.is_empty() {
            return Ok(());
        }
        self.without_retries().subscribe(names(&missing)).await?;
        let forbidden = || forbidden("SUBSCRIBE");
        self.confirm(missing, |info| info.channels, |known| &mut known.channels, forbidden).await
    }

    /// Subscribes to every channel that the pattern names. When this returns, Redis has confirmed it.
    ///
    /// # Errors
    /// As [`subscribe_together`](Self::subscribe_together).
    pub async fn subscribe_pattern(&self, pattern: &str) -> Result<(), RedisError> {
        self.know_connection().await?;
        if self.subscriptions.lock().patterns.contains(pattern) {
            return Ok(());
        }
        self.without_retries().psubscribe(pattern).await?;
        let forbidden = || forbidden(&format!("PSUBSCRIBE to {pattern}"));
        self.confirm(
            HashSet::from([pattern.into()]),
            |info| info.patterns,
            |known| &mut known.patterns,
            forbidden,
        )
        .await
    }

    /// Ends subscriptions.
    ///
    /// # Errors
    /// When the connection is lost, and all subscriptions with it.
    pub async fn unsubscribe(&self, channels: &[Arc<str>]) -> Result<(), RedisError> {
        for batch in channels.chunks(BATCH_SIZE) {
            self.without_retries().unsubscribe(names(batch)).await?;
            let mut known = self.subscriptions.lock();
            for channel in batch {
                known.channels.remove(channel);
            }
        }
        Ok(())
    }

    /// Ends the subscription of a pattern.
    ///
    /// # Errors
    /// As [`unsubscribe`](Self::unsubscribe).
    pub async fn unsubscribe_pattern(&self, pattern: &str) -> Result<(), RedisError> {
        self.without_retries().punsubscribe(pattern).await?;
        self.subscriptions.lock().patterns.remove(pattern);
        Ok(())
    }

    /// Whether every subscription that was made on the present connection still stands, and no other. `true` where Redis is
    /// too old to say.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn stands(&self) -> Result<bool, RedisError> {
        let Some(info) = self.proof.info(&self.without_retries()).await? else { return Ok(true) };
        let mut known = self.subscriptions.lock();
        if known.connection_id != Some(info.connection_id) {
            *known = Subscriptions { connection_id: Some(info.connection_id), ..Subscriptions::default() };
        }
        Ok(info.channels == known.channels.len() && info.patterns == known.patterns.len())
    }

    /// Waits until Redis has carried out all that was sent on this connection before.
    ///
    /// # Errors
    /// When it has not done so in time, or when replies are not those of their commands.
    pub async fn settle(&self) -> Result<(), RedisError> {
        self.proof.settle(&self.without_retries()).await
    }

    /// Drops the connection and makes a new one.
    pub async fn reconnect(&self) {
        // An error means that the connection is lost already; then fred makes a new one anyway.
        let _ = tokio::time::timeout(TIMEOUT, self.client().force_reconnection()).await;
    }

    /// Ends the connection.
    pub async fn close(&self) {
        self.link.close().await;
    }

    /// Forgets what was subscribed to on an earlier connection.
    async fn know_connection(&self) -> Result<(), RedisError> {
        while !matches!(self.reconnects.lock().try_recv(), Err(TryRecvError::Empty | TryRecvError::Closed)) {
            *self.subscriptions.lock() = Subscriptions::default();
        }
        let is_known = self.subscriptions.lock().connection_id.is_some();
        if is_known || self.stands().await? { Ok(()) } else { Err(out_of_step()) }
    }

    /// Notes what was just subscribed to, if Redis has carried it out: all of it or nothing.
    async fn confirm(
        &self,
        new: HashSet<Arc<str>>,
        counted: impl Fn(&ConnectionInfo) -> usize,
        known: impl Fn(&mut Subscriptions) -> &mut HashSet<Arc<str>>,
        forbidden: impl Fn() -> RedisError,
    ) -> Result<(), RedisError> {
        // A Redis before 6.2 does not say. It has no rules for channels either.
        let Some(info) = self.proof.info(&self.without_retries()).await? else { return Ok(()) };
        let mut subscriptions = self.subscriptions.lock();
        if subscriptions.connection_id != Some(info.connection_id) {
            // Where it was carried out is unknown.
            *subscriptions = Subscriptions::default();
            return Err(out_of_step());
        }
        let known = known(&mut subscriptions);
        match counted(&info).checked_sub(known.len()) {
            Some(added) if added == new.len() => {
                known.extend(new);
                Ok(())
            }
            Some(0) => Err(forbidden()),
            _ => Err(out_of_step()),
        }
    }

    /// The client for commands that fail when the connection is lost. A new connection gets all its subscriptions anew, so
    /// fred must not repeat single ones there.
    fn without_retries(&self) -> WithOptions<Client> {
        self.client().with_options(&once(TIMEOUT))
    }
}

fn names<'a>(channels: impl IntoIterator<Item = &'a Arc<str>>) -> Vec<String> {
    channels.into_iter().map(|channel| channel.to_string()).collect()
}

/// As Redis would say it.
fn forbidden(what: &str) -> RedisError {
    RedisError::new(ErrorKind::Auth, format!("NOPERM this user may not {what}"))
}
