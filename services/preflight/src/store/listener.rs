//! One subscribing connection, and what its server tells.

use std::time::Duration;

use redis_core::error::{RETRY_INTERVAL_MS, reason};
use redis_core::id::RunId;
use redis_core::{ConnectError, Redis, Shard};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::debug;

use super::canary::Canary;
use super::event::Event;
use super::subscriber::Subscriber;
use crate::notification_support::NotificationSupport;
use crate::shard_name::ShardName;

/// How often the subscribing connection and the notifications are probed.
const PROBE_INTERVAL: Duration = Duration::from_secs(10);
/// The pause after a failed probe.
const PROBE_RETRY_DELAY: Duration = Duration::from_millis(RETRY_INTERVAL_MS);

/// Listens to one shard: only the server that has a key tells of its changes.
pub(super) struct Listener {
    pub(super) name: ShardName,
    pub(super) shard: Shard,
    pub(super) subscriber: Subscriber,
    canary: Canary,
}

impl Listener {
    /// Connects in the background. `process` names the canary.
    pub(super) fn new(redis: &Redis, shard: &Shard, process: &str) -> Result<Self, ConnectError> {
        Ok(Self {
            name: ShardName::new(shard),
            shard: shard.clone(),
            subscriber: Subscriber::new(shard.config())?,
            canary: Canary::new(process, redis.clone(), shard.clone()),
        })
    }

    /// Sends events until the receiver is dropped.
    pub(super) async fn listen(&self, events: mpsc::Sender<Event>) {
        let mut notifications = self.subscriber.notifications();
        let mut reconnects = self.subscriber.reconnects();
        let mut probe = Box::pin(self.probe_at(Instant::now()));
        // The first connection may have been made before `reconnects` existed.
        let mut next = Some(Event::Connected(self.name.clone()));
        loop {
            if let Some(event) = next.take()
                && events.send(event).await.is_err()
            {
                return;
            }
            next = tokio::select! {
                // A reconnect is handled before the notifications of the new connection.
                biased;
                reconnected = reconnects.recv() => {
                    if matches!(reconnected, Err(RecvError::Closed)) {
                        return;
                    }
                    probe = Box::pin(self.probe_at(Instant::now()));
                    Some(Event::Connected(self.name.clone()))
                }
                notification = notifications.recv() => match notification {
                    Ok(notification) => {
                        let run = notification.key.as_str().and_then(|key| RunId::parse(key).ok());
                        run.map(|run| Event::Changed { shard: self.name.clone(), run })
                    }
                    Err(RecvError::Lagged(_)) => Some(Event::Lagged(self.name.clone())),
                    Err(RecvError::Closed) => return,
                },
                support = &mut probe => {
                    probe = Box::pin(self.probe_at(Instant::now() + PROBE_INTERVAL));
                    Some(Event::Probed { shard: self.name.clone(), support })
                }
            };
        }
    }

    /// Probes at that time, and again until a probe has a result.
    async fn probe_at(&self, time: Instant) -> NotificationSupport {
        sleep_until(time).await;
        loop {
            match self.canary.probe(&self.subscriber).await {
                Ok(support) => return support,
                Err(error) => debug!("probe the notifications of {}: {}", self.name, reason(&error)),
            }
            sleep(PROBE_RETRY_DELAY).await;
        }
    }
}
