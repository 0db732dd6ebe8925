//! Owns the subscriptions in Redis: makes them, makes them again after a lost connection, and takes their messages.

mod failure;
mod on_demand;
mod probe;
mod router;

use std::sync::Arc;
use std::time::Duration;

use redis_core::error::RETRY_INTERVAL_MS;
use redis_core::{State, publish_state};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, sleep_until, timeout};
use tracing::debug;

use self::failure::SubscribeFailure;
use self::probe::{PROBE_INTERVAL, Probe};
pub(crate) use self::router::{EpochSource, LineRouter};
use crate::metrics::Metrics;
use crate::store::{EVENT_CAPACITY, HistoryStore, PubSubEvent, PubSubEvents, PubSubMessage, Store};
use crate::subscription_table::SubscriptionTable;
use crate::subscriptions::SubscriptionCommand;

/// How long an epoch may take from its publication to its arrival.
const EPOCH_TIMEOUT: Duration = Duration::from_secs(5);
/// When the next one is published if it has not arrived: the pool may have been at another server than the subscriptions.
const EPOCH_INTERVAL: Duration = Duration::from_millis(250);
/// How long it may take to count the instances.
const COUNT_TIMEOUT: Duration = Duration::from_secs(1);

pub(crate) struct Subscriber {
    store: Arc<Store>,
    /// With history in Redis.
    history: Option<Arc<HistoryStore>>,
    events: PubSubEvents,
    table: SubscriptionTable,
    router: LineRouter,
    probe: Probe,
    /// Whether the connection works, and leads to a primary.
    connection: State,
    /// Whether Redis has confirmed the subscriptions on the present connection.
    subscriptions: Result<(), String>,
    /// Both of them.
    state: watch::Sender<State>,
    is_first_connection: bool,
    /// The last attempt to subscribe has failed.
    is_retrying: bool,
    /// When to try again to subscribe, and whether on a new connection.
    retry: Option<(Instant, bool)>,
}

impl Subscriber {
    pub(crate) fn new(
        store: Arc<Store>,
        history: Option<Arc<HistoryStore>>,
        events: PubSubEvents,
        table: SubscriptionTable,
        router: LineRouter,
        metrics: Metrics,
    ) -> Self {
        let starting = || "not subscribed yet".to_owned();
        Self {
            probe: Probe::new(store.probe_channel(), metrics),
            connection: Err(starting()),
            subscriptions: Err(starting()),
            state: watch::Sender::new(Err(starting())),
            is_first_connection: true,
            is_retrying: false,
            retry: None,
            store,
            history,
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
        let mut redis = self.store.redis_state();
        let (mut worked, mut has_worked) = (false, false);
        let mut probe = tokio::time::interval(PROBE_INTERVAL);
        probe.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let retry_at = self.retry.map(|(at, _)| at);
            tokio::select! {
                biased;
                event = self.events.next() => {
                    let has_lost_count = match event {
                        PubSubEvent::Connected => {
                            self.resubscribe().await;
                            continue;
                        }
                        PubSubEvent::StateChanged(state) => {
                            self.on_state(state).await;
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
                _ = probe.tick() => self.on_tick().await,
                Ok(()) = redis.changed(), if self.store.is_cluster() => {
                    // What a node that has failed took last, it may not have told the node of the subscriptions. Some of it may
                    // still come, so that this is told once more when another has taken its place.
                    let works = redis.borrow_and_update().is_ok();
                    if has_worked && !(works && worked) && self.subscriptions.is_ok() {
                        self.take_waiting_messages();
                        self.router.announce_gap();
                    }
                    (worked, has_worked) = (works, has_worked || works);
                }
                () = async { sleep_until(retry_at.unwrap_or_else(Instant::now)).await }, if retry_at.is_some() => {
                    self.try_again().await;
                }
            }
            if self.subscriptions.is_ok() {
                let applied = self.apply_table().await;
                self.note(applied.map_err(SubscribeFailure::of("subscribe to the channels")));
            }
        }
    }

    /// The connection has failed or works again, or Redis refuses work on it or does so no more.
    async fn on_state(&mut self, state: State) {
        match &state {
            // The loss was reported only after the next connection: its subscriptions have to be made again.
            Ok(_) if self.subscriptions.is_err() => self.resubscribe().await,
            // A Redis that cannot save, for example, still sends what is published.
            Err(reason) if self.subscriptions.is_ok() && self.store.pubsub.settle().await.is_err() => {
                self.mark_lost(reason);
            }
            _ => {}
        }
        self.connection = state;
        self.publish_state();
    }

    async fn try_again(&mut self) {
        match self.retry.take() {
            Some((_, true)) => self.store.pubsub.reconnect().await,
            Some((_, false)) => self.resubscribe().await,
            None => {}
        }
    }

    /// Makes all subscriptions, usually on a new connection.
    async fn resubscribe(&mut self) {
        self.retry = None;
        // The messages of the connection before this one come first. Those that it lost are part of the gap.
        self.mark_lost("subscribing");
        let result = match self.history.clone() {
            Some(history) => self.start_epoch(&history).await,
            None => self.subscribe_on_demand().await,
        };
        if result.is_ok() {
            self.is_first_connection = false;
            self.is_retrying = false;
            self.probe.reset();
            self.subscriptions = Ok(());
            self.publish_state();
        }
        self.note(result);
    }

    /// With history in Redis: subscribes to everything, and starts an epoch of its own, from which on it counts lines as
    /// all instances do.
    async fn start_epoch(&mut self, history: &HistoryStore) -> Result<(), SubscribeFailure> {
        let pubsub = &self.store.pubsub;
        let node = self.store.node();
        let source = EpochSource { channel: self.store.epochs_channel(&node), node };
        let own_channels = [self.probe.channel().clone(), source.channel.clone()];
        let fail = SubscribeFailure::of;
        pubsub.subscribe_together(&own_channels).await.map_err(fail("subscribe to the epochs"))?;
        let every = self.store.every_channel();
        pubsub.subscribe_pattern(&every).await.map_err(fail("subscribe to all channels"))?;
        let (epoch, early) = self.own_epoch(history, &source).await?;
        if self.store.node() != source.node {
            // The epoch may have come from the other node, which tells of lines in another order.
            return Err(SubscribeFailure::new("the subscriptions are at another node now"));
        }
        let channels: Vec<Arc<str>> = self.table.channels().cloned().collect();
        let missed = if self.is_first_connection || !history.can_load_missed() {
            None
        } else {
            let missed = history.load_missed(&channels, self.router.latest(), epoch).await;
            missed.map_err(fail("read the missed lines"))?
        };
        history.set_node(&source.node);
        self.router.start_epoch(epoch, source, missed, &early);
        self.count_instances().await;
        for channel in self.table.pending() {
            self.table.confirm(&channel);
        }
        Ok(())
    }

    /// Publishes epochs until one has arrived. Returns it, and the messages that came before it.
    ///
    /// In a failover the connections change to the new primary one after another, and what the pool has published at the old
    /// one never arrives at the new one.
    async fn own_epoch(
        &mut self,
        history: &HistoryStore,
        source: &EpochSource,
    ) -> Result<(u64, Vec<PubSubMessage>), SubscribeFailure> {
        let deadline = Instant::now() + EPOCH_TIMEOUT;
        let (mut epochs, mut early) = (Vec::new(), Vec::new());
        loop {
            let published = history.publish_epoch(&source.node).await;
            epochs.push(published.map_err(SubscribeFailure::of("publish an epoch"))?);
            let arrival = self.events.messages_before(&source.channel, &epochs, &mut early);
            match timeout(EPOCH_INTERVAL, arrival).await {
                Ok(Ok(epoch)) => return Ok((epoch, early)),
                Ok(Err(_)) => return Err(SubscribeFailure::new("messages were dropped before the epoch")),
                Err(_) if Instant::now() > deadline => {
                    return Err(SubscribeFailure::new("the epoch did not arrive"));
                }
                Err(_) => {}
            }
        }
    }

    /// On a Cluster, with history in Redis: the instances share the recording.
    async fn count_instances(&self) {
        if self.history.is_none() || !self.store.is_cluster() {
            return;
        }
        let count = self.store.count_instances(&self.router.epochs().node);
        // What cannot be asked stays as it was.
        if let Ok(Ok(count)) = timeout(COUNT_TIMEOUT, count).await {
            self.router.set_instances(count);
        }
    }

    fn handle_message(&mut self, message: &PubSubMessage) {
        if *message.channel() == **self.probe.channel() {
            self.probe.on_arrival(&message.text());
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

    /// After a failure the subscriptions are made again, no faster than Redis can stand.
    fn note(&mut self, result: Result<(), SubscribeFailure>) {
        let Err(failure) = result else { return };
        debug!("{failure}");
        self.is_retrying = true;
        self.mark_lost(&failure.reason);
        self.subscriptions = Err(failure.reason);
        self.publish_state();
        let delay = Duration::from_millis(RETRY_INTERVAL_MS);
        self.retry = Some((Instant::now() + delay, failure.needs_connection));
    }

    /// The subscriptions do not stand any more. A reason that is known already stays.
    fn mark_lost(&mut self, reason: &str) {
        // Also what an attempt that failed has received: the next one may be on another connection, with lines lost between.
        self.take_waiting_messages();
        if self.subscriptions.is_ok() {
            self.router.lose_count();
            self.subscriptions = Err(reason.to_owned());
            self.publish_state();
        }
        self.table.reset();
    }

    fn publish_state(&self) {
        let state = match (&self.connection, &self.subscriptions) {
            (Err(reason), _) | (Ok(_), Err(reason)) => Err(reason.clone()),
            (Ok(note), Ok(())) => Ok(note.clone()),
        };
        publish_state(&self.state, state);
    }

    /// Sends the next probe, or gives up the connection if the last one has not arrived.
    async fn on_tick(&mut self) {
        if self.subscriptions.is_err() {
            return;
        }
        if !self.probe.tick(&self.store) {
            self.mark_lost("a probe did not arrive");
            self.store.pubsub.reconnect().await;
            return;
        }
        // Where Redis does not answer, the other checks find out.
        if matches!(self.store.pubsub.stands().await, Ok(false)) {
            self.mark_lost("Redis has lost a subscription");
            self.store.pubsub.reconnect().await;
            return;
        }
        self.count_instances().await;
        let retried = self.retry_forbidden().await;
        self.note(retried.map_err(SubscribeFailure::of("subscribe to the channels")));
    }
}
