//! The subscriptions that viewers need, where not everything is subscribed to.

use std::sync::Arc;

use redis_core::{ErrorClass, RedisError};
use tracing::debug;

use super::Subscriber;
use super::failure::SubscribeFailure;
use crate::run_channels::is_whole_run;

impl Subscriber {
    /// With history in memory: announces a gap, and subscribes to the channels in use.
    pub(super) async fn subscribe_on_demand(&mut self) -> Result<(), SubscribeFailure> {
        let is_retry = std::mem::replace(&mut self.is_retrying, true);
        self.router.forget_last_message();
        if !self.is_first_connection && !is_retry {
            self.router.announce_gap();
        }
        let probe = [self.probe.channel().clone()];
        self.store
            .pubsub
            .subscribe_together(&probe)
            .await
            .map_err(SubscribeFailure::of("subscribe to the probe"))?;
        self.apply_table().await.map_err(SubscribeFailure::of("subscribe to the channels"))?;
        if !self.is_first_connection && is_retry {
            // Attempts that failed may have subscribed to some channels for a while.
            self.router.announce_gap();
        }
        Ok(())
    }

    /// Brings the subscriptions in line with the table.
    pub(super) async fn apply_table(&mut self) -> Result<(), RedisError> {
        let (pending, unused) = (self.table.pending(), self.table.take_unused());
        // With history in Redis all channels are subscribed already.
        if self.history.is_none() {
            if !pending.is_empty() {
                for channel in self.subscribe(&pending).await? {
                    debug!("user may not subscribe to {channel}: its viewers are refused");
                    self.table.refuse(&channel);
                }
            }
            if !unused.is_empty() {
                self.unsubscribe(unused).await?;
            }
        }
        pending.iter().for_each(|channel| self.table.confirm(channel));
        Ok(())
    }

    /// Subscribes to channels, and to whole runs by the pattern of all channels. Returns those that the user may not subscribe
    /// to.
    ///
    /// It is one pattern for all runs, because Redis compares each message that is published with each pattern there is.
    async fn subscribe(&self, wanted: &[Arc<str>]) -> Result<Vec<Arc<str>>, RedisError> {
        let (runs, channels): (Vec<_>, Vec<_>) = wanted.iter().cloned().partition(|name| is_whole_run(name));
        let mut forbidden = Vec::new();
        if !channels.is_empty() {
            forbidden = self.store.pubsub.subscribe(&channels).await?;
        }
        if !runs.is_empty() {
            match self.store.pubsub.subscribe_pattern(&self.store.every_channel()).await {
                Err(error) if ErrorClass::of(&error) == ErrorClass::Forbidden => forbidden.extend(runs),
                result => result?,
            }
        }
        Ok(forbidden)
    }

    async fn unsubscribe(&mut self, unused: Vec<Arc<str>>) -> Result<(), RedisError> {
        let (runs, channels): (Vec<_>, Vec<_>) = unused.into_iter().partition(|name| is_whole_run(name));
        let pubsub = &self.store.pubsub;
        if !runs.is_empty() && !self.table.has_whole_runs() {
            pubsub.unsubscribe_pattern(&self.store.every_channel()).await?;
        }
        if !channels.is_empty() {
            pubsub.unsubscribe(&channels).await?;
        }
        if !channels.is_empty() && self.table.has_whole_runs() {
            // A message by the pattern is no second copy any more.
            pubsub.settle().await?;
            self.take_waiting_messages();
            self.router.forget_last_message();
        }
        Ok(())
    }

    /// Tries again to subscribe to channels that were allowed when their viewers came, and are forbidden now.
    pub(super) async fn retry_forbidden(&mut self) -> Result<(), RedisError> {
        let channels = self.table.forbidden();
        if channels.is_empty() {
            return Ok(());
        }
        let forbidden = self.subscribe(&channels).await?;
        if forbidden.len() < channels.len() {
            self.router.announce_gap();
        }
        channels
            .iter()
            .filter(|channel| !forbidden.contains(channel))
            .for_each(|channel| self.table.allow(channel));
        Ok(())
    }
}
