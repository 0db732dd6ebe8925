//! Runs and their viewers: one task that owns them all, so that nothing is locked and nothing overtakes.
//!
//! A run is subscribed to, then read, when its first viewer comes; read again when Redis tells of a change (see
//! [`crate::pace`]), after every reconnect, and on a timer, which bounds whatever went wrong unnoticed. An answer that
//! differs from the last is framed once and sent to all its viewers.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use redis_core::id::RunId;
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::time::DelayQueue;
use tracing::debug;

use crate::door::{Command, Door};
use crate::metrics::Metrics;
use crate::notifications::Notifications;
use crate::pace::Step;
use crate::reading::{self, Outcome, Subscription};
use crate::rules::Rules;
use crate::store::{Heard, Store};
use crate::topic::Topic;

/// Reads under way at once: enough to keep Redis busy, too few to fill its buffers.
const READS_AT_ONCE: usize = 128;
/// How often the timer looks for runs that are to be checked or forgotten.
const TICK: Duration = Duration::from_millis(250);

/// How often watched runs are read without having been told of a change.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Intervals {
    /// While notifications work.
    pub(crate) recheck: Duration,
    /// While they do not.
    pub(crate) poll: Duration,
}

/// The task that owns all runs.
pub(crate) struct Hub {
    store: Arc<Store>,
    rules: Arc<Rules>,
    metrics: Metrics,
    intervals: Intervals,
    commands: mpsc::UnboundedReceiver<Command>,
    topics: HashMap<RunId, Topic>,
    /// Reads whose moment has not come.
    resting: DelayQueue<RunId>,
    /// Reads whose moment has come, beyond those under way.
    due: VecDeque<RunId>,
    /// At most one of a run.
    under_way: FuturesUnordered<BoxFuture<'static, (RunId, Outcome)>>,
    /// The number of the present subscribing connection.
    connection: u64,
    /// The verdict on it, once there is one; nothing is subscribed to before.
    verdict: watch::Sender<Option<Notifications>>,
    /// A change of a watched run was told on it.
    has_heard: bool,
}

impl Hub {
    /// A hub and its door.
    pub(crate) fn new(
        store: Arc<Store>,
        rules: Rules,
        metrics: Metrics,
        intervals: Intervals,
    ) -> (Self, Door) {
        let (door, commands) = Door::new();
        let hub = Self {
            store,
            rules: Arc::new(rules),
            metrics,
            intervals,
            commands,
            topics: HashMap::new(),
            resting: DelayQueue::new(),
            due: VecDeque::new(),
            under_way: FuturesUnordered::new(),
            connection: 0,
            verdict: watch::Sender::new(None),
            has_heard: false,
        };
        (hub, door)
    }

    /// What Redis is known to tell of changes.
    pub(crate) fn verdict(&self) -> watch::Receiver<Option<Notifications>> {
        self.verdict.subscribe()
    }

    /// Serves viewers until nothing can be heard any more.
    pub(crate) async fn run(mut self, mut heard: mpsc::Receiver<Heard>) {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                Some(command) = self.commands.recv() => self.obey(command),
                heard = heard.recv() => match heard {
                    Some(heard) => self.hear(heard),
                    None => return,
                },
                Some((run, outcome)) = self.under_way.next() => self.finish(run, outcome).await,
                Some(rested) = self.resting.next() => self.rested(rested.into_inner()),
                _ = tick.tick() => self.look_around(),
            }
            self.begin_reads();
            self.metrics.runs.set(self.topics.len() as i64);
        }
    }

    fn obey(&mut self, command: Command) {
        let now = Instant::now();
        match command {
            Command::Join { run, client, seat } => {
                let fresh =
                    Topic::new(now, now + self.intervals.recheck.mul_f64(0.5 + spread(self.topics.len())));
                let topic = self.topics.entry(run.clone()).or_insert(fresh);
                if let Some(frame) = topic.frame() {
                    client.send(frame);
                }
                // A read that is to come or under way is for the newcomer too: later changes will be told.
                let is_current = topic.frame().is_some() && topic.subscribed_on == Some(self.connection);
                let step = if is_current || !topic.pace.is_quiet() {
                    Step::Nothing
                } else {
                    topic.pace.changed(now)
                };
                // The seat is new: nobody else has filled it.
                let _ = seat.set(topic.audience.insert(client));
                self.take(run, step);
            }
            Command::Leave { run, seat } => {
                if let (Some(topic), Some(seat)) = (self.topics.get_mut(&run), seat.get()) {
                    topic.leave(*seat, now);
                }
            }
        }
    }

    fn hear(&mut self, heard: Heard) {
        match heard {
            Heard::Changed(run) => {
                self.metrics.events.inc();
                self.has_heard |= self.topics.contains_key(&run);
                self.changed(run);
            }
            Heard::Missed => self.all_changed(),
            Heard::Connected => {
                self.connection += 1;
                self.has_heard = false;
                self.verdict.send_replace(None);
            }
            Heard::Probed(verdict) => {
                let is_new = self.verdict.borrow().as_ref() != Some(&verdict);
                self.metrics.notifications.set(i64::from(verdict.tells_changes()));
                if is_new {
                    self.verdict.send_replace(Some(verdict));
                    // Whatever happened until now may not have been told.
                    self.all_changed();
                }
            }
        }
    }

    fn all_changed(&mut self) {
        for run in self.topics.keys().cloned().collect::<Vec<_>>() {
            self.changed(run);
        }
    }

    fn changed(&mut self, run: RunId) {
        let now = Instant::now();
        let Some(topic) = self.topics.get_mut(&run) else { return };
        if topic.audience.is_empty() && topic.pace.is_quiet() {
            // Nobody needs it now, and who comes next makes it read.
            return;
        }
        let step = topic.pace.changed(now);
        self.take(run, step);
    }

    fn rested(&mut self, run: RunId) {
        if let Some(topic) = self.topics.get(&run) {
            let step = topic.pace.rested(Instant::now());
            self.take(run, step);
        }
    }

    fn take(&mut self, run: RunId, step: Step) {
        match step {
            Step::Nothing => {}
            Step::Read => self.due.push_back(run),
            Step::Rest(until) => {
                self.resting.insert_at(run, until.into());
            }
        }
    }

    fn begin_reads(&mut self) {
        while self.under_way.len() < READS_AT_ONCE {
            let Some(run) = self.due.pop_front() else { return };
            let Some(topic) = self.topics.get_mut(&run) else { continue };
            topic.pace.begins(Instant::now());
            let may_subscribe = self.verdict.borrow().as_ref().is_some_and(Notifications::can_subscribe);
            let subscription = match may_subscribe {
                _ if topic.subscribed_on == Some(self.connection) => Subscription::Stands,
                true => Subscription::Wanted,
                false => Subscription::Refused,
            };
            let (store, connection) = (Arc::clone(&self.store), self.connection);
            self.under_way.push(Box::pin(async move {
                let outcome = reading::read(&store, &run, subscription, connection).await;
                (run, outcome)
            }));
        }
    }

    async fn finish(&mut self, run: RunId, outcome: Outcome) {
        let now = Instant::now();
        let (rules, is_polling) = (Arc::clone(&self.rules), self.is_polling());
        let Some(topic) = self.topics.get_mut(&run) else { return };
        let step = match outcome {
            Outcome::Read { hash, subscribed_on, took } => {
                self.metrics.read_seconds.observe(took.as_secs_f64());
                topic.subscribed_on = subscribed_on;
                let is_told = subscribed_on == Some(self.connection) && !is_polling;
                topic.check_at = now + if is_told { self.intervals.recheck } else { self.intervals.poll };
                if let Some(frame) = topic.update(&rules.frame(&hash)) {
                    self.metrics.answers.inc();
                    topic.audience.send(&frame).await;
                }
                topic.pace.ended(now)
            }
            Outcome::Failed(reason) => {
                debug!(run.id = %run, "read run {run}: {reason}");
                self.metrics.read_failures.inc();
                topic.pace.failed(now)
            }
            Outcome::Unsubscribed => {
                topic.subscribed_on = None;
                let step = topic.pace.ended(now);
                if topic.audience.is_empty() {
                    self.topics.remove(&run);
                    return;
                }
                // Somebody came meanwhile, and waits.
                if step == Step::Nothing { topic.pace.changed(now) } else { step }
            }
        };
        self.take(run, step);
    }

    /// The timer: runs that are to be checked, and runs that nobody has watched for a while.
    fn look_around(&mut self) {
        let now = Instant::now();
        let quiet = self.topics.iter().filter(|(_, topic)| topic.pace.is_quiet());
        let (over, kept): (Vec<_>, Vec<_>) = quiet
            .filter(|(_, topic)| topic.is_over(now) || (!topic.audience.is_empty() && now >= topic.check_at))
            .map(|(run, topic)| (run.clone(), topic.is_over(now)))
            .partition(|(_, is_over)| *is_over);
        for (run, _) in kept {
            self.changed(run);
        }
        for (run, _) in over {
            self.forget(run, now);
        }
    }

    fn forget(&mut self, run: RunId, now: Instant) {
        let Some(topic) = self.topics.get_mut(&run) else { return };
        if topic.subscribed_on != Some(self.connection) {
            self.topics.remove(&run);
            return;
        }
        // As long as this is under way, who joins waits for it: a subscription made meanwhile would be ended by it.
        topic.pace.begins(now);
        let store = Arc::clone(&self.store);
        self.under_way.push(Box::pin(async move {
            let outcome = reading::unsubscribe(&store, &run).await;
            (run, outcome)
        }));
    }

    /// Whether watched runs have to be read without having been told.
    fn is_polling(&self) -> bool {
        match &*self.verdict.borrow() {
            Some(Notifications::Unproven(_)) => !self.has_heard,
            Some(verdict) => !verdict.tells_changes(),
            None => false,
        }
    }
}

/// The n-th of a series of numbers from 0 to 1 that lie far from each other, so that timers do not meet.
fn spread(n: usize) -> f64 {
    (n as f64 * 0.618_033_988_75).fract()
}
