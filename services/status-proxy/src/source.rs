//! Where lines come from: follows the subscribing connection, numbers what it brings, and notices what it does not.

mod marks;

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use fred::types::{Message, Value};
use parking_lot::Mutex;
use redis_core::{Channel, State};
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::{mpsc, watch};
use tokio::time::MissedTickBehavior;
use tracing::{info, warn};

use crate::hub::Hub;
use crate::interest::{Change, Interests};
use crate::line::{Id, Line};
use crate::metrics::Metrics;
use crate::recorder::Heard;
use crate::store::{self, EVENTS, Store};
use crate::target::is_status_channel;

/// How often the subscription is proven to work, and how long it may be silent.
const PROBE: Duration = Duration::from_secs(2);
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);
/// Before a subscription that could not be made is tried anew.
const RETRY: Duration = Duration::from_millis(200);

/// How far this instance is, for whoever must know that a certain line has come by.
pub(crate) type Position = Arc<Mutex<Place>>;

/// How far an instance is.
#[derive(Clone, Copy, Default)]
pub(crate) struct Place {
    /// The id of the last line.
    pub(crate) latest: Id,
    /// With history in Redis: the mark from which on this instance has heard everything.
    pub(crate) begin: u64,
}

pub(crate) struct Source {
    store: Arc<Store>,
    hub: Hub,
    metrics: Metrics,
    interests: Interests,
    /// With history in Redis: everything is heard, and told to the recorder.
    recorder: Option<mpsc::UnboundedSender<Heard>>,
    heard: store::Heard,
    lost: watch::Receiver<State>,
    position: Position,
    probe_channel: Arc<str>,
    marks_channel: Arc<str>,
    /// Whether the subscriptions stand.
    stands: watch::Sender<Result<(), String>>,
    probe_sent: Option<Instant>,
    /// Redis was never heard before.
    is_new: bool,
    /// Messages were lost: with history in Redis the next ones cannot be numbered as other instances number them.
    has_lost_count: bool,
}

impl Source {
    pub(crate) fn new(
        store: Arc<Store>,
        heard: store::Heard,
        hub: Hub,
        metrics: Metrics,
        interests: Interests,
        recorder: Option<mpsc::UnboundedSender<Heard>>,
        position: Position,
    ) -> Self {
        let [lost, _] = store.states();
        Self {
            probe_channel: store.probe_channel(),
            marks_channel: Channel::StatusMarks.to_string().into(),
            stands: watch::Sender::new(Err("not subscribed yet".to_owned())),
            probe_sent: None,
            is_new: true,
            has_lost_count: false,
            store,
            hub,
            metrics,
            interests,
            recorder,
            heard,
            lost,
            position,
        }
    }

    /// Whether the subscriptions stand.
    pub(crate) fn state(&self) -> watch::Receiver<State> {
        self.stands.subscribe()
    }

    /// Runs until the senders of changes are gone.
    pub(crate) async fn run(mut self, mut changes: mpsc::UnboundedReceiver<Change>) {
        let mut probe = tokio::time::interval(PROBE);
        probe.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut retry_at: Option<tokio::time::Instant> = None;
        loop {
            tokio::select! {
                biased;
                _ = self.heard.connects.recv() => {
                    retry_at = self.connected().await;
                    continue;
                }
                Ok(()) = self.lost.changed() => {
                    let state = self.lost.borrow_and_update().clone();
                    match state {
                        Err(reason) => self.lose(&reason),
                        // The news of a loss came later than that of the connection after it.
                        Ok(()) if self.stands.borrow().is_err() => retry_at = self.connected().await,
                        Ok(()) => {}
                    }
                    continue;
                }
                message = self.heard.messages.recv() => {
                    let has_lost = match message {
                        Ok(message) => {
                            self.message(message);
                            false
                        }
                        Err(RecvError::Lagged(count)) => self.lagged(count),
                        Err(RecvError::Closed) => return,
                    };
                    // Who reads the connection fills the room there is before it lets others go on: all is taken at once.
                    if self.hear_waiting() || has_lost {
                        self.store.reconnect().await;
                    }
                }
                change = changes.recv() => {
                    let Some(change) = change else { return };
                    self.interests.apply(change);
                    while let Ok(change) = changes.try_recv() {
                        self.interests.apply(change);
                    }
                }
                _ = probe.tick() => self.probe().await,
                () = async { tokio::time::sleep_until(retry_at.unwrap_or_else(tokio::time::Instant::now)).await }, if retry_at.is_some() => {
                    retry_at = None;
                    self.store.reconnect().await;
                }
            }
            if self.stands.borrow().is_ok() && self.subscribe_missing().await.is_err() {
                self.lose("subscribing failed");
                retry_at = Some(tokio::time::Instant::now() + RETRY);
            }
        }
    }

    /// A connection stands that knows of no subscription. Returns when to try again, if it has to be.
    async fn connected(&mut self) -> Option<tokio::time::Instant> {
        self.lose("subscribing");
        // What the connection before still brought comes first. What of that was lost is found as all else is.
        self.hear_waiting();
        let outcome = match self.recorder {
            None => self.begin().await,
            Some(_) => self.begin_with_marks().await,
        };
        match outcome {
            Ok(()) => {
                if !self.is_new {
                    info!("subscribed again");
                }
                self.is_new = false;
                self.probe_sent = None;
                self.stands.send_modify(|state| *state = Ok(()));
                None
            }
            Err(error) => {
                warn!("subscribe: {error:#}");
                Some(tokio::time::Instant::now() + RETRY)
            }
        }
    }

    /// With history in memory: what was missed is missed; then the channels that are wanted are subscribed.
    async fn begin(&mut self) -> anyhow::Result<()> {
        if !self.is_new {
            self.hub.gap(self.next_id());
        }
        self.store.subscribe(vec![self.probe_channel.clone()]).await.context("subscribe the probe")?;
        self.subscribe_missing().await.context("subscribe the channels")
    }

    async fn subscribe_missing(&mut self) -> Result<(), fred::error::Error> {
        let (missing, unwanted) = (self.interests.missing(), self.interests.take_unwanted());
        if self.recorder.is_none() {
            if !missing.is_empty() {
                self.store.subscribe(missing.clone()).await?;
            }
            if !unwanted.is_empty() {
                self.store.unsubscribe(unwanted).await?;
            }
        }
        missing.iter().for_each(|channel| self.interests.stands(channel));
        Ok(())
    }

    fn message(&mut self, message: Message) {
        let channel: &str = &message.channel;
        if *channel == *self.probe_channel {
            if let Some(sent) = self.probe_sent.take() {
                self.metrics.probe_seconds.observe(sent.elapsed().as_secs_f64());
            }
            return;
        }
        if *channel == *self.marks_channel {
            if let Some(mark) = message.value.as_str().and_then(|text| text.parse().ok()) {
                self.position.lock().latest = Id { mark, number: 0 };
                self.tell_recorder(Heard::Mark(mark));
            }
            return;
        }
        if self.has_lost_count {
            return;
        }
        // Counted before it is judged, so that all instances count alike.
        let id = self.next_id();
        if !is_status_channel(channel) {
            return;
        }
        self.metrics.lines.inc();
        let (channel, line): (Arc<str>, _) = (channel.into(), Line { id, text: text_of(&message.value) });
        if let Some(recorder) = &self.recorder {
            // The recorder ends with the process only.
            let _ = recorder.send(Heard::Line(channel.clone(), line.clone()));
        }
        self.hub.line(channel, line);
    }

    /// Hears what has come by now. `true`: see [`lagged`](Self::lagged).
    fn hear_waiting(&mut self) -> bool {
        let mut has_lost = false;
        for _ in 0..EVENTS {
            match self.heard.messages.try_recv() {
                Ok(message) => self.message(message),
                Err(TryRecvError::Lagged(count)) => has_lost |= self.lagged(count),
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
        has_lost
    }

    /// More came than this task could take: fred has dropped some. `true`: the count is lost, which takes a new connection.
    fn lagged(&mut self, count: u64) -> bool {
        warn!("{count} messages were lost because they came too fast");
        if self.recorder.is_none() {
            self.hub.gap(self.next_id());
        }
        self.has_lost_count = self.recorder.is_some();
        self.has_lost_count
    }

    fn lose(&mut self, reason: &str) {
        if self.stands.borrow().is_ok() {
            warn!("the subscription is lost: {reason}");
        }
        self.stands.send_modify(|state| *state = Err(reason.to_owned()));
        self.interests.lost_all();
    }

    /// Proves that what is published arrives; a connection can be dead without anybody having said so.
    async fn probe(&mut self) {
        if self.stands.borrow().is_err() {
            return;
        }
        if self.probe_sent.is_some_and(|sent| sent.elapsed() > PROBE_TIMEOUT) {
            self.metrics.probes_lost.inc();
            self.probe_sent = None;
            self.lose("a probe did not arrive");
            self.store.reconnect().await;
        } else if self.probe_sent.is_none() {
            self.probe_sent = Some(Instant::now());
            // One that cannot be published does not arrive either, which is all there is to know.
            let store = self.store.clone();
            tokio::spawn(async move { store.publish_probe().await });
        }
    }

    fn next_id(&self) -> Id {
        let mut position = self.position.lock();
        position.latest.number += 1;
        position.latest
    }

    fn tell_recorder(&self, heard: Heard) {
        if let Some(recorder) = &self.recorder {
            let _ = recorder.send(heard);
        }
    }
}

/// The text of a message. What is not UTF-8 becomes U+FFFD.
fn text_of(value: &Value) -> Arc<str> {
    match value {
        Value::String(text) => Arc::from(&**text),
        other => String::from_utf8_lossy(other.as_bytes().unwrap_or_default()).into(),
    }
}
