//! Redis: subscribes to runs, reads them, and finds out which changes Redis reports.

mod canary;
mod error;
mod needs;
mod run_reader;
mod subscriber;

use std::time::Duration;

use redis_core::error::{RETRY_INTERVAL_MS, reason};
use redis_core::id::RunId;
use redis_core::{ConnectError, Key, RedisConfig, RedisError, State, connect};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};
use tracing::debug;

use crate::notification_support::NotificationSupport;
use crate::run_hash::RunHash;
use canary::Canary;
use error::is_forbidden;
use run_reader::RunReader;
use subscriber::Subscriber;

/// How often the subscribing connection and the notifications are probed.
const PROBE_INTERVAL: Duration = Duration::from_secs(10);
/// The pause after a failed probe.
const PROBE_RETRY_DELAY: Duration = Duration::from_millis(RETRY_INTERVAL_MS);

/// The connections to Redis. One connection subscribes, and a pool of others reads.
pub(crate) struct Store {
    subscriber: Subscriber,
    reader: RunReader,
    canary: Canary,
}

/// What the subscribing connection reports.
#[derive(Debug)]
pub(crate) enum Event {
    /// The run's key was written, deleted or renamed, or has expired.
    RunChanged(RunId),
    /// Notifications were lost because the buffer was full. Any run may have changed.
    Lagged,
    /// There is a new connection. It has no subscriptions yet.
    Connected,
    /// A probe on the current connection has found out which changes Redis reports.
    Probed(NotificationSupport),
}

impl Store {
    /// `max_run_bytes`: as [`read`](Self::read) says.
    pub(crate) fn new(config: &RedisConfig, max_run_bytes: usize) -> Result<Self, ConnectError> {
        let pool = connect::pool(config)?.check(config, needs::needs());
        Ok(Self {
            subscriber: Subscriber::new(config)?,
            reader: RunReader { connection: pool, max_bytes: max_run_bytes },
            canary: Canary::new(),
        })
    }

    /// The states of the connections: the subscribing one, then the reading ones.
    pub(crate) fn states(&self) -> [watch::Receiver<State>; 2] {
        [self.subscriber.state(), self.reader.connection.state.clone()]
    }

    /// Whether Redis refuses what preflight needs of it for all runs.
    pub(crate) fn is_refused(&self) -> bool {
        self.reader.connection.state.borrow().is_err()
    }

    /// The run's current hash; `None` if the names and values of its fields are longer than the limit. A key of another type
    /// counts as a run without fields.
    pub(crate) async fn read(&self, run: &RunId) -> Result<Option<RunHash>, RedisError> {
        self.reader.read(run).await
    }

    /// Subscribes to changes of a run. When this returns `true`, Redis has confirmed it, so that every later change is
    /// reported; `false` means that the user may not.
    pub(crate) async fn subscribe(&self, run: &RunId) -> Result<bool, RedisError> {
        match self.subscriber.subscribe(Key::Run(run)).await {
            Err(error) if is_forbidden(&error) => Ok(false),
            other => other.map(|()| true),
        }
    }

    /// Ends the subscription to a run.
    pub(crate) async fn unsubscribe(&self, run: &RunId) -> Result<(), RedisError> {
        self.subscriber.unsubscribe(Key::Run(run)).await
    }

    /// Sends events until the receiver is dropped.
    pub(crate) async fn listen(&self, events: mpsc::Sender<Event>) {
        let mut notifications = self.subscriber.notifications();
        let mut reconnects = self.subscriber.reconnects();
        let mut probe = Box::pin(self.probe_at(Instant::now()));
        // The first connection may have been made before `reconnects` existed.
        let mut next = Some(Event::Connected);
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
                    Some(Event::Connected)
                }
                notification = notifications.recv() => match notification {
                    Ok(notification) => {
                        let run = notification.key.as_str().and_then(|key| RunId::parse(key).ok());
                        run.map(Event::RunChanged)
                    }
                    Err(RecvError::Lagged(_)) => Some(Event::Lagged),
                    Err(RecvError::Closed) => return,
                },
                support = &mut probe => {
                    probe = Box::pin(self.probe_at(Instant::now() + PROBE_INTERVAL));
                    Some(Event::Probed(support))
                }
            };
        }
    }

    /// Probes at that time, and again until a probe has a result.
    async fn probe_at(&self, time: Instant) -> NotificationSupport {
        sleep_until(time).await;
        loop {
            match self.canary.probe(&self.subscriber, &self.reader.connection.client).await {
                Ok(support) => return support,
                Err(error) => debug!("probe the notifications: {}", reason(&error)),
            }
            sleep(PROBE_RETRY_DELAY).await;
        }
    }
}
