//! The task that owns all watched runs and their viewers. One task, so that nothing is locked and a viewer
//! gets checklists in the order in which they were read.
//!
//! A run is subscribed to and then read when its first viewer joins. It is read again when Redis reports a
//! change (see [`crate::read_scheduler`]), after every reconnect, and on a timer: the timer limits how long
//! any missed change stays unseen. A checklist that differs from the last one is encoded once and sent to all
//! viewers of the run. Whether a run can be watched at all is known after its first read: until then its viewers
//! wait to be let in.

mod notification_state;
mod notifications;
mod read_queue;
mod refusal_log;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use redis_core::State;
use redis_core::id::RunId;
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval};
use tracing::debug;

use crate::audience::{Audience, Entrant};
use crate::fetch::{self, FetchOutcome, Subscription};
use crate::hub_handle::{Command, Commands, HubHandle};
use crate::intervals::ReadIntervals;
use crate::latest_checklist::LatestChecklist;
use crate::metrics::Metrics;
use crate::read_scheduler::ReadAction;
use crate::rules::Rules;
use crate::run_refusal::RunRefusal;
use crate::shard_name::ShardName;
use crate::store::{Event, Store};
use crate::viewer::Viewer;
use crate::watched_run::{Subscribed, WatchedRun};
use notification_state::NotificationState;
use notifications::Notifications;
use read_queue::{QueueEvent, ReadQueue};
use refusal_log::RefusalLog;

/// How often the hub looks for runs to recheck and for runs to forget.
const TICK: Duration = Duration::from_millis(250);

/// The task's state.
pub(crate) struct Hub {
    store: Arc<Store>,
    rules: Rules,
    metrics: Metrics,
    intervals: ReadIntervals,
    max_runs: usize,
    commands: Commands,
    runs: HashMap<RunId, WatchedRun>,
    reads: ReadQueue,
    notifications: Notifications,
    refusal_log: RefusalLog,
}

impl Hub {
    /// A hub, and the handle by which others reach it. It watches at most `max_runs` runs at once.
    pub(crate) fn new(
        store: Arc<Store>,
        rules: Rules,
        metrics: Metrics,
        intervals: ReadIntervals,
        max_runs: usize,
    ) -> (Self, HubHandle) {
        let (handle, commands) = HubHandle::new();
        let hub = Self {
            store,
            rules,
            metrics,
            intervals,
            max_runs,
            commands,
            runs: HashMap::new(),
            reads: ReadQueue::default(),
            notifications: Notifications::default(),
            refusal_log: RefusalLog::default(),
        };
        (hub, handle)
    }

    /// What an operator should know about which changes Redis reports. An error until the first probe has found out.
    pub(crate) fn notification_note(&self) -> watch::Receiver<State> {
        self.notifications.note()
    }

    /// Serves viewers until the sender of `events` is dropped.
    pub(crate) async fn run(mut self, mut events: mpsc::Receiver<Event>) {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                Some(command) = self.commands.next() => self.on_command(command),
                event = events.recv() => match event {
                    Some(event) => self.on_event(event),
                    None => return,
                },
                Some(event) = self.reads.next() => match event {
                    QueueEvent::Timer(run) => self.on_timer(run),
                    QueueEvent::Finished(run, begun, outcome) => self.on_outcome(run, begun, outcome).await,
                },
                _ = tick.tick() => self.on_tick(),
            }
            self.start_reads();
            self.metrics.runs.set(self.runs.len() as i64);
        }
    }

    fn on_command(&mut self, command: Command) {
        let now = Instant::now();
        match command {
            Command::Enter { run, viewer, entrant } => self.enter(run, viewer, entrant, now),
            Command::Connect { run: id, viewer, client } => {
                // The viewer has waited in the run, so that it is still there.
                let Some(run) = self.runs.get_mut(&id) else { return };
                run.audience.connect(&viewer, client, run.latest.as_ref().map(LatestChecklist::frame));
                self.read_unless_current(id, now);
            }
            Command::Leave { run: id, viewer, tell } => {
                if let Some(run) = self.runs.get_mut(&id) {
                    run.audience.leave(&viewer);
                    run.on_leave(now);
                }
                if let Some((client, notice)) = tell {
                    client.send_notice(&notice);
                }
            }
        }
    }

    fn enter(&mut self, id: RunId, viewer: Arc<Viewer>, entrant: Entrant, now: Instant) {
        let recheck_at = now + self.intervals.first_recheck(self.runs.len());
        let is_full = self.runs.len() >= self.max_runs && !self.runs.contains_key(&id);
        if is_full {
            let mut nobody = Audience::default();
            nobody.enter(viewer, entrant);
            nobody.refuse_entrants(&id, RunRefusal::InstanceFull);
            return;
        }
        let cannot_ask = self.current(&id).is_none() || self.store.is_refused(&id);
        let run = self.runs.entry(id.clone()).or_insert_with(|| WatchedRun::new(now, recheck_at));
        run.audience.enter(viewer, entrant);
        match run.verdict {
            Some(verdict) => run.decide(&id, verdict),
            // Redis cannot be asked now: they wait inside.
            None if cannot_ask => {
                run.audience.admit(&id, &mut run.latest);
            }
            None => {}
        }
        self.read_unless_current(id, now);
    }

    /// Reads a run for a new viewer, unless its latest checklist is known to be current.
    fn read_unless_current(&mut self, id: RunId, now: Instant) {
        let current = self.current(&id);
        let Some(run) = self.runs.get_mut(&id) else { return };
        let is_current = run.latest.is_some() && run.subscribed.is_some() && run.subscribed == current;
        // A read that is scheduled or in flight serves the new viewer too.
        if !is_current && run.scheduler.is_idle() && !run.audience.is_empty() {
            let action = run.scheduler.on_change(now);
            self.reads.apply(id, action);
        }
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Changed { shard, run } => {
                self.metrics.events.inc();
                if self.runs.contains_key(&run) {
                    self.notifications.on_change(&shard);
                }
                self.on_change(run);
            }
            Event::Lagged(shard) => self.on_change_of_any_run(|of| *of == shard),
            Event::Connected(shard) => self.notifications.on_connected(shard),
            Event::Probed { shard, support } => {
                let is_new = self.notifications.on_probed(&shard, support);
                self.metrics.notifications_enabled.set(i64::from(self.notifications.reports_changes()));
                if is_new {
                    // Changes before the probe may not have been reported.
                    self.on_change_of_any_run(|of| *of == shard);
                }
            }
            Event::Shards(shards) => {
                self.notifications.on_shards(&shards);
                // Runs may be on another shard now.
                self.on_change_of_any_run(|_| true);
            }
        }
    }

    /// Any run of these shards may have changed.
    fn on_change_of_any_run(&mut self, is_of: impl Fn(&ShardName) -> bool) {
        let is_of = |run: &&RunId| self.store.shard_of(run).is_some_and(|shard| is_of(&shard));
        for run in self.runs.keys().filter(is_of).cloned().collect::<Vec<_>>() {
            self.on_change(run);
        }
    }

    /// The present connection that can be subscribed to a run, if its shard was probed.
    fn current(&self, run: &RunId) -> Option<Subscribed> {
        let shard = self.store.shard_of(run)?;
        let state = self.notifications.of(&shard)?;
        state.support.is_some().then_some(Subscribed { epoch: state.epoch, shard })
    }

    fn on_change(&mut self, id: RunId) {
        let Some(run) = self.runs.get_mut(&id) else { return };
        if run.audience.is_empty() && run.scheduler.is_idle() {
            // Nobody needs the checklist now, and the next viewer causes a read.
            return;
        }
        let action = run.scheduler.on_change(Instant::now());
        self.reads.apply(id, action);
    }

    fn on_timer(&mut self, id: RunId) {
        if let Some(run) = self.runs.get(&id) {
            let action = run.scheduler.on_timer(Instant::now());
            self.reads.apply(id, action);
        }
    }

    fn start_reads(&mut self) {
        while let Some(id) = self.reads.pop_ready() {
            let Some(run) = self.runs.get_mut(&id) else { continue };
            run.scheduler.on_read_started(Instant::now());
            let before = run.subscribed.clone();
            let current = self.current(&id);
            let state = current.as_ref().and_then(|current| self.notifications.of(&current.shard));
            let subscription = match &current {
                Some(current) if before.as_ref() == Some(current) => Subscription::Active,
                Some(current) if state.is_some_and(NotificationState::can_subscribe) => {
                    Subscription::Needed(current.shard.clone())
                }
                _ => Subscription::Unavailable,
            };
            // A run that moved to another shard is not told of by the former any more.
            let former = before
                .map(|before| before.shard)
                .filter(|shard| matches!(&subscription, Subscription::Needed(new) if new != shard));
            let store = Arc::clone(&self.store);
            self.reads.start(async move {
                if let Some(former) = former {
                    store.unsubscribe(&former, &id).await;
                }
                let outcome = fetch::fetch(&store, &id, subscription).await;
                (id, current, outcome)
            });
        }
    }

    /// A request has ended that was begun when this was the current connection.
    async fn on_outcome(&mut self, id: RunId, begun: Option<Subscribed>, outcome: FetchOutcome) {
        let now = Instant::now();
        let current = self.current(&id);
        let state = current.as_ref().and_then(|current| self.notifications.of(&current.shard));
        let must_poll = state.is_none_or(NotificationState::must_poll);
        let Some(run) = self.runs.get_mut(&id) else { return };
        let action = match outcome {
            FetchOutcome::Read { hash, subscription, elapsed } => {
                self.metrics.read_seconds.observe(elapsed.as_secs_f64());
                run.subscribed = begun.filter(|_| subscription == Subscription::Active);
                let changes_are_reported =
                    run.subscribed.is_some() && run.subscribed == current && !must_poll;
                let interval =
                    if changes_are_reported { self.intervals.recheck } else { self.intervals.poll };
                run.recheck_at = now + interval;
                if run.on_read(&id, !hash.is_empty(), &self.rules.checklist_message(&hash)).await {
                    self.metrics.answers.inc();
                }
                let verdict = match subscription {
                    Subscription::Forbidden => Err(RunRefusal::Forbidden),
                    _ => Ok(()),
                };
                if let Err(refusal) = verdict {
                    self.refusal_log.note(&id, refusal, now);
                }
                run.decide(&id, verdict);
                run.scheduler.on_read_finished(now)
            }
            FetchOutcome::Refused(refusal) => {
                self.metrics.read_failures.inc();
                self.refusal_log.note(&id, refusal, now);
                run.on_read_refused(&id, refusal);
                run.retry(now)
            }
            FetchOutcome::Failed(reason) => {
                debug!(run.id = %id, "read run {id}: {reason}");
                self.metrics.read_failures.inc();
                // Whether it can be watched is not known, and its viewers wait inside.
                run.audience.admit(&id, &mut run.latest);
                run.retry(now)
            }
            FetchOutcome::Unsubscribed => {
                run.subscribed = None;
                let action = run.scheduler.on_read_finished(now);
                if run.audience.is_empty() {
                    self.runs.remove(&id);
                    return;
                }
                // A viewer has joined meanwhile and waits for a read.
                if action == ReadAction::Nothing { run.scheduler.on_change(now) } else { action }
            }
        };
        self.reads.apply(id, action);
    }

    /// Rechecks the runs that are due, and forgets those that have had no viewers for a while.
    fn on_tick(&mut self) {
        let now = Instant::now();
        let idle = self.runs.iter().filter(|(_, run)| run.scheduler.is_idle());
        let (expired, due): (Vec<_>, Vec<_>) = idle
            .filter(|(_, run)| run.is_expired(now) || (!run.audience.is_empty() && now >= run.recheck_at))
            .map(|(id, run)| (id.clone(), run.is_expired(now)))
            .partition(|(_, is_expired)| *is_expired);
        for (run, _) in due {
            self.on_change(run);
        }
        for (run, _) in expired {
            self.forget(run, now);
        }
    }

    fn forget(&mut self, id: RunId, now: Instant) {
        let Some(run) = self.runs.get_mut(&id) else { return };
        let Some(subscribed) = run.subscribed.clone() else {
            self.runs.remove(&id);
            return;
        };
        // This counts as a read, so that a viewer who joins now waits for it. A new subscription made
        // meanwhile would be ended by this UNSUBSCRIBE.
        run.scheduler.on_read_started(now);
        let store = Arc::clone(&self.store);
        self.reads.start(async move {
            let outcome = fetch::unsubscribe(&store, &subscribed.shard, &id).await;
            (id, None, outcome)
        });
    }
}
