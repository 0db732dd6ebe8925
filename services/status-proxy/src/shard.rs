//! A part of all runs, owned by one task: their channels, who watches them, and what was said last.
//!
//! Everything that happens to a run comes through one queue, so that a client joins at one place in the order of its
//! lines: what was before is its history, what comes after is live, and nothing is both or neither.

mod input;
mod rooms;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tokio::sync::mpsc;

pub(crate) use self::input::{Input, Interest, Join, Joined, weight};
use self::rooms::{Chair, Rooms};
use crate::line::{Id, Line, Style};
use crate::metrics::Metrics;
use crate::ring::{Keep, Ring};

/// Inputs taken from the queue at once; the lines among them are written together.
const TAKEN_AT_ONCE: usize = 256;
/// How often old lines and idle channels are looked for.
const SWEEP: Duration = Duration::from_secs(1);

/// How channels are kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy {
    pub(crate) keep: Keep,
    /// How long the lines of a channel that nobody watches are kept, and with them its subscription.
    pub(crate) linger: Duration,
    /// Channels exist as soon as a line comes, whether anybody watches or not: all lines come here.
    pub(crate) hears_all: bool,
}

/// Bytes that wait in a shard's queue.
pub(crate) type Backlog = Arc<AtomicUsize>;

pub(crate) struct Shard {
    policy: Policy,
    metrics: Metrics,
    backlog: Backlog,
    topics: HashMap<Arc<str>, Topic>,
    rooms: Rooms,
    /// Where each client sits, by its token.
    chairs: HashMap<u64, Chair>,
    /// A channel that is not here had no line after this id, where all lines are heard.
    horizon: Id,
    /// The id of the last line that came by.
    latest: Id,
    /// The channels that the metrics know of.
    counted: usize,
}

/// A channel.
struct Topic {
    ring: Ring,
    rooms: Vec<usize>,
    interest: Option<Interest>,
    /// Since when nobody watches it and, where all lines are heard, nothing was said.
    idle_since: Instant,
}

impl Shard {
    pub(crate) fn new(policy: Policy, metrics: Metrics, backlog: Backlog) -> Self {
        Self {
            policy,
            metrics,
            backlog,
            topics: HashMap::new(),
            rooms: Rooms::default(),
            chairs: HashMap::new(),
            horizon: Id::default(),
            latest: Id::default(),
            counted: 0,
        }
    }

    /// Runs until all senders are gone.
    pub(crate) async fn run(mut self, mut queue: mpsc::UnboundedReceiver<Input>) {
        let mut inputs = Vec::with_capacity(TAKEN_AT_ONCE);
        let mut sweep = tokio::time::interval(SWEEP);
        loop {
            tokio::select! {
                biased;
                count = queue.recv_many(&mut inputs, TAKEN_AT_ONCE) => {
                    if count == 0 {
                        return;
                    }
                }
                _ = sweep.tick() => {
                    self.sweep(Instant::now());
                    continue;
                }
            }
            for input in inputs.drain(..) {
                match input {
                    Input::Line(channel, line) => {
                        self.backlog.fetch_sub(weight(&line), Ordering::Relaxed);
                        self.line(channel, line);
                        if self.rooms.are_full() {
                            self.rooms.write(&self.metrics).await;
                        }
                    }
                    Input::Gap(at) => self.gap(at),
                    Input::CaughtUp(at) => self.caught_up(at),
                    Input::Join(join) => {
                        // Who joins must not get what was before.
                        self.rooms.write(&self.metrics).await;
                        self.join(*join);
                    }
                    Input::Leave(token) => self.leave(token),
                }
            }
            self.rooms.write(&self.metrics).await;
        }
    }

    fn line(&mut self, channel: Arc<str>, line: Line) {
        self.latest = self.latest.max(line.id);
        let topic = match self.topics.get_mut(&channel) {
            Some(topic) => topic,
            None if self.policy.hears_all => {
                self.topics.entry(channel.clone()).or_insert(Topic::new(self.horizon))
            }
            None => return,
        };
        for &room in &topic.rooms {
            self.rooms.line(room, name_of(&channel), &line);
        }
        let now = Instant::now();
        if self.policy.hears_all {
            topic.idle_since = now;
        }
        topic.ring.push(line, now, self.policy.keep);
    }

    fn caught_up(&mut self, at: Id) {
        self.horizon = self.horizon.max(at);
        let unwatched = self.topics.values_mut().filter(|topic| topic.interest.is_none());
        unwatched.for_each(|topic| topic.ring.gap(at));
    }

    fn gap(&mut self, at: Id) {
        self.horizon = self.horizon.max(at);
        self.latest = self.latest.max(at);
        for (channel, topic) in &mut self.topics {
            topic.ring.gap(at);
            for &room in &topic.rooms {
                self.rooms.gap(room, name_of(channel));
            }
        }
    }

    fn join(&mut self, join: Join) {
        let Join { client, target, ask, channels, token } = join;
        let style = Style {
            transport: client.transport(),
            resumes: ask.is_some(),
            names_channel: target.names_channel(),
        };
        let mut past = Vec::new();
        let mut out = BytesMut::new();
        // Of a channel that was not subscribed nothing is known before now.
        let complete_after = if self.policy.hears_all { self.horizon } else { self.latest };
        for (channel, joined) in target.channels().zip(channels) {
            let topic = self.topics.entry(channel.into()).or_insert(Topic::new(complete_after));
            topic.interest.get_or_insert(joined.interest);
            if ask.is_some() {
                let name = name_of(channel);
                let answer = ask.answer(&topic.ring, joined.recorded.as_ref());
                self.metrics.resumed(answer.recovered);
                style.resume(&mut out, name, answer.recovered);
                past.extend(answer.lines.into_iter().map(|line| (line, name)));
            }
        }
        past.sort_by_key(|(line, _)| line.id);
        for (line, name) in &past {
            style.status(&mut out, name, line);
        }
        if !out.is_empty() {
            client.send(&out.freeze());
        }
        let room = self.rooms.find(&target, style).unwrap_or_else(|| {
            let room = self.rooms.open(target.clone(), style);
            for channel in target.channels() {
                if let Some(topic) = self.topics.get_mut(channel) {
                    topic.rooms.push(room);
                }
            }
            room
        });
        self.chairs.insert(token, self.rooms.enter(room, client));
        self.metrics.viewers.inc();
    }

    fn leave(&mut self, token: u64) {
        let Some(chair) = self.chairs.remove(&token) else { return };
        self.metrics.viewers.dec();
        let Some(target) = self.rooms.leave(chair) else { return };
        for channel in target.channels() {
            if let Some(topic) = self.topics.get_mut(channel) {
                topic.rooms.retain(|&room| room != chair.0);
                topic.idle_since = Instant::now();
            }
        }
    }

    /// Forgets what is too old.
    fn sweep(&mut self, now: Instant) {
        let policy = self.policy;
        let old = |age: Duration| now.checked_sub(age);
        self.topics.retain(|_, topic| {
            let is_idle = topic.rooms.is_empty();
            if let Some(before) = old(if is_idle { policy.linger } else { policy.keep.age }) {
                topic.ring.expire(before);
            }
            let is_over = is_idle && old(policy.linger).is_some_and(|before| topic.idle_since < before);
            // In place of a forgotten channel the horizon says from where on its lines are known here.
            if is_over {
                self.horizon = self.horizon.max(topic.ring.complete_after());
            }
            !is_over
        });
        self.metrics.add_channels(self.topics.len() as i64 - self.counted as i64);
        self.counted = self.topics.len();
    }
}

impl Topic {
    fn new(complete_after: Id) -> Self {
        Self {
            ring: Ring::new(complete_after),
            rooms: Vec::new(),
            interest: None,
            idle_since: Instant::now(),
        }
    }
}

/// The channel's name within its run.
fn name_of(channel: &str) -> &str {
    channel.rsplit(':').next().unwrap_or_default()
}
