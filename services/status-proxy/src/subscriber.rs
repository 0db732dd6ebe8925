//! Owns the subscriptions in Redis: makes them, makes them again after a lost connection, and takes their messages.

mod probe;
mod router;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use redis_core::{RedisError, State};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, sleep_until, timeout};
use tracing::{info, warn};

use self::probe::{PROBE_INTERVAL, Probe, ProbeTick};
pub(crate) use self::router::LineRouter;
use crate::metrics::Metrics;
use crate::store::{EVENT_CAPACITY, PubSubEvent, PubSubEvents, PubSubMessage, Store};
use crate::subscription_table::SubscriptionTable;
use crate::subscriptions::SubscriptionCommand;

/// How long after a subscription that failed the next attempt follows.
const RETRY_DELAY: Duration = Duration::from_millis(200);
/// How long an epoch may take from its publication to its arrival.
const EPOCH_TIMEOUT: Duration = Duration::from_secs(5);

pub(crate) struct Subscriber {
    store: Arc<Store>,
    events: PubSubEvents,
    table: SubscriptionTable,
    router: LineRouter,
    probe: Probe,
    /// Whether Redis has confirmed the subscriptions on the present connection.
    state: watch::Sender<State>,
    is_first_connection: bool,
}

impl Subscriber {
    pub(crate) fn new(
        store: Arc<Store>,
        events: PubSubEvents,
        table: SubscriptionTable,
        router: LineRouter,
        metrics: Metrics,
    ) -> Self {
        Self {
            probe: Probe::new(store.probe_channel(), metrics),
            state: watch::Sender::new(Err("not subscribed yet".to_owned())),
            is_first_connection: true,
            store,
            events,
            table,
            router,
        }
    }

    /// Whether the subscriptions are confirmed.
    pub(crate) fn state(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    /// Runs until all senders of commands are dropped.
    pub(crate) async fn run(mut self, mut commands: mpsc::UnboundedReceiver<SubscriptionCommand>) {
        let mut probe = tokio::time::interval(PROBE_INTERVAL);
        probe.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut retry_at: Option<Instant> = None;
        loop {
            tokio::select! {
                biased;
                event = self.events.next() => {
                    let has_lost_count = match event {
                        PubSubEvent::Connected => {
                            retry_at = self.resubscribe().await;
                            continue;
                        }
                        PubSubEvent::StateChanged(Err(reason)) => {
                            self.mark_lost(&reason);
                            continue;
                        }
                        PubSubEvent::StateChanged(Ok(_)) => {
                            // The loss was reported only after the next connection: its subscriptions have to be made again.
                            if self.state.borrow().is_err() {
                                retry_at = self.resubscribe().await;
                            }
                            continue;
                        }
                        PubSubEvent::Message(message) => {
                            self.handle_message(&message);
                            false
                        }
                        PubSubEvent::Lagged(count) => self.router.on_lag(count),
                        PubSubEvent::Closed => return,
                    };
                    // fred may fill its whole channel before this task runs again, so everything that has arrived is taken.
                    if self.take_waiting_messages() || has_lost_count {
                        self.store.pubsub.reconnect().await;
                    }
                }
                command = commands.recv() => {
                    let Some(command) = command else { return };
                    self.table.apply(command);
                    while let Ok(command) = commands.try_recv() {
                        self.table.apply(command);
                    }
                }
                _ = probe.tick() => self.check_probe().await,
                () = async { sleep_until(retry_at.unwrap_or_else(Instant::now)).await }, if retry_at.is_some() => {
                    retry_at = None;
                    self.store.pubsub.reconnect().await;
                }
            }
            if self.state.borrow().is_ok() && self.apply_table().await.is_err() {
                self.mark_lost("subscribing failed");
                retry_at = Some(Instant::now() + RETRY_DELAY);
            }
        }
    }

    /// Makes all subscriptions on a new connection. Returns when to try again, if that fails.
    async fn resubscribe(&mut self) -> Option<Instant> {
        self.mark_lost("subscribing");
        // The messages of the connection before this one come first. Those that it lost are part of the gap.
        self.take_waiting_messages();
        let result = if self.router.has_recorder() {
            self.start_epoch().await
        } else {
            self.subscribe_on_demand().await
        };
        match result {
            Ok(()) => {
                if !self.is_first_connection {
                    info!("subscribed again");
                }
                self.is_first_connection = false;
                self.probe.reset();
                self.state.send_modify(|state| *state = Ok(None));
                None
            }
            Err(error) => {
                warn!("subscribe: {error:#}");
                Some(Instant::now() + RETRY_DELAY)
            }
        }
    }

    /// With history in memory: announces a gap, and subscribes to the channels in use.
    async fn subscribe_on_demand(&mut self) -> anyhow::Result<()> {
        if !self.is_first_connection {
            self.router.announce_gap();
        }
        let probe = vec![self.probe.channel().clone()];
        self.store.pubsub.subscribe(probe).await.context("subscribe to the probe")?;
        self.apply_table().await.context("subscribe to the channels")
    }

    /// With history in Redis: subscribes to everything, and starts an epoch of its own, from which on it counts lines as
    /// all instances do.
    async fn start_epoch(&mut self) -> anyhow::Result<()> {
        let own_channels = vec![self.probe.channel().clone(), self.router.epochs_channel().clone()];
        self.store.pubsub.subscribe(own_channels).await.context("subscribe to the epochs")?;
        self.store.pubsub.subscribe_all().await.context("subscribe to all channels")?;
        let epoch = self.store.history.publish_epoch().await.context("publish an epoch")?;
        let earlier = self.events.messages_before(self.router.epochs_channel(), epoch);
        let early = timeout(EPOCH_TIMEOUT, earlier)
            .await
            .context("wait for the epoch")?
            .context("receive the epoch")?;
        let channels: Vec<Arc<str>> = self.table.channels().cloned().collect();
        let missed = if self.is_first_connection {
            None
        } else {
            self.store.history.load_missed(&channels, self.router.latest(), epoch).await?
        };
        self.router.start_epoch(epoch, missed, &early);
        for channel in self.table.pending() {
            self.table.confirm(&channel);
        }
        Ok(())
    }

    /// Brings the subscriptions in line with the table.
    async fn apply_table(&mut self) -> Result<(), RedisError> {
        let (pending, unused) = (self.table.pending(), self.table.take_unused());
        // With a recorder all channels are subscribed already.
        if !self.router.has_recorder() {
            if !pending.is_empty() {
                self.store.pubsub.subscribe(pending.clone()).await?;
            }
            if !unused.is_empty() {
                self.store.pubsub.unsubscribe(unused).await?;
            }
        }
        pending.iter().for_each(|channel| self.table.confirm(channel));
        Ok(())
    }

    fn handle_message(&mut self, message: &PubSubMessage) {
        if *message.channel() == **self.probe.channel() {
            self.probe.on_arrival();
        } else {
            self.router.route(message);
        }
    }

    /// Handles the messages that have arrived by now. `true`: as [`LineRouter::on_lag`].
    fn take_waiting_messages(&mut self) -> bool {
        let mut has_lost_count = false;
        // Bounded, so that a flood of messages does not starve the commands.
        for _ in 0..EVENT_CAPACITY {
            match self.events.try_next_message() {
                Some(Ok(message)) => self.handle_message(&message),
                Some(Err(count)) => has_lost_count |= self.router.on_lag(count),
                None => break,
            }
        }
        has_lost_count
    }

    fn mark_lost(&mut self, reason: &str) {
        if self.state.borrow().is_ok() {
            warn!("the subscriptions are lost: {reason}");
        }
        self.state.send_modify(|state| *state = Err(reason.to_owned()));
        self.table.reset();
    }

    /// Sends the next probe, or gives up the connection if the last one has not arrived.
    async fn check_probe(&mut self) {
        if self.state.borrow().is_err() {
            return;
        }
        match self.probe.tick() {
            ProbeTick::Send => {
                // A probe that cannot be published does not arrive either, so the error can be ignored.
                let store = self.store.clone();
                tokio::spawn(async move { store.publish_probe().await });
            }
            ProbeTick::Wait => {}
            ProbeTick::TimedOut => {
                self.mark_lost("a probe did not arrive");
                self.store.pubsub.reconnect().await;
            }
        }
    }
}
