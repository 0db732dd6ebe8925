//! A part of all runs, owned by one task: their channels, who watches them, and what was said last.
//!
//! Everything that happens to a run comes through one queue, so that a client joins at one place in the order of its
//! lines: what was before is its history, what comes after is live, and nothing is both or neither.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use slab::Slab;
use tokio::sync::mpsc;
use ws_server::{Audience, Client};

use crate::line::{Id, Line, Style};
use crate::metrics::Metrics;
use crate::ring::{Ask, Keep, Recorded, Ring};
use crate::target::Target;

/// Inputs taken from the queue at once; the lines among them are written together.
const TAKEN_AT_ONCE: usize = 256;
/// Bytes for one group of clients after which they are written whatever else is in the queue.
const BATCH: usize = 64 * 1024;
/// How often old lines and idle channels are looked for.
const SWEEP: Duration = Duration::from_secs(1);

/// What happens to a shard.
pub(crate) enum Input {
    /// A line was published on the channel (`run:channel`).
    Line(Arc<str>, Line),
    /// Lines of any channel may have been missed; later ones have greater ids.
    Gap(Id),
    /// Lines up to this id that were missed have been given after all for every channel that is watched.
    CaughtUp(Id),
    Join(Box<Join>),
    Leave(Seat),
}

/// A client that comes to watch.
pub(crate) struct Join {
    pub(crate) client: Client,
    pub(crate) target: Target,
    pub(crate) ask: Ask,
    /// For each channel of the target.
    pub(crate) channels: Vec<Joined>,
    /// Where its seat is written to, for its leaving.
    pub(crate) token: u64,
}

/// One channel that a client joins.
pub(crate) struct Joined {
    /// Keeps the channel subscribed.
    pub(crate) interest: Interest,
    pub(crate) recorded: Option<Recorded>,
}

/// Whatever keeps a channel subscribed as long as it lives.
pub(crate) type Interest = Arc<dyn Send + Sync>;

/// Who leaves: the token of its joining.
pub(crate) type Seat = u64;

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
    rooms: Slab<Room>,
    rooms_by_key: HashMap<(Target, Style), usize>,
    seats: HashMap<u64, (usize, usize)>,
    /// Rooms with something to write.
    pending: Vec<usize>,
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

/// The clients that get the same bytes: they watch the same channels in the same style.
struct Room {
    target: Target,
    style: Style,
    audience: Audience,
    out: BytesMut,
    lines: u64,
}

impl Shard {
    pub(crate) fn new(policy: Policy, metrics: Metrics, backlog: Backlog) -> Self {
        Self {
            policy,
            metrics,
            backlog,
            topics: HashMap::new(),
            rooms: Slab::new(),
            rooms_by_key: HashMap::new(),
            seats: HashMap::new(),
            pending: Vec::new(),
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
                        if self.pending.iter().any(|&room| self.rooms[room].out.len() > BATCH) {
                            self.write().await;
                        }
                    }
                    Input::Gap(at) => self.gap(at),
                    Input::CaughtUp(at) => self.caught_up(at),
                    Input::Join(join) => {
                        // Who joins must not get what was before.
                        self.write().await;
                        self.join(*join);
                    }
                    Input::Leave(token) => self.leave(token),
                }
            }
            self.write().await;
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
        let name = channel.rsplit(':').next().unwrap_or_default();
        for &number in &topic.rooms {
            let room = &mut self.rooms[number];
            if room.out.is_empty() {
                self.pending.push(number);
            }
            room.style.status(&mut room.out, name, &line);
            room.lines += 1;
        }
        let now = Instant::now();
        if self.policy.hears_all {
            topic.idle_since = now;
        }
        topic.ring.push(line, now, self.policy.keep);
    }

    fn caught_up(&mut self, at: Id) {
        self.horizon = self.horizon.max(at);
        self.topics
            .values_mut()
            .filter(|topic| topic.interest.is_none())
            .for_each(|topic| topic.ring.gap(at));
    }

    fn gap(&mut self, at: Id) {
        self.horizon = self.horizon.max(at);
        self.latest = self.latest.max(at);
        for (channel, topic) in &mut self.topics {
            topic.ring.gap(at);
            let name = channel.rsplit(':').next().unwrap_or_default();
            for &number in &topic.rooms {
                let room = &mut self.rooms[number];
                if room.style.tells_gaps() {
                    if room.out.is_empty() {
                        self.pending.push(number);
                    }
                    room.style.gap(&mut room.out, name);
                }
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
                let name = channel.rsplit(':').next().unwrap_or_default();
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
        let room = self.room(target, style);
        let chair = self.rooms[room].audience.insert(client);
        self.seats.insert(token, (room, chair));
        self.metrics.viewers.inc();
    }

    fn room(&mut self, target: Target, style: Style) -> usize {
        if let Some(&room) = self.rooms_by_key.get(&(target.clone(), style)) {
            return room;
        }
        let room = self.rooms.insert(Room {
            target: target.clone(),
            style,
            audience: Audience::default(),
            out: BytesMut::new(),
            lines: 0,
        });
        for channel in target.channels() {
            if let Some(topic) = self.topics.get_mut(channel) {
                topic.rooms.push(room);
            }
        }
        self.rooms_by_key.insert((target, style), room);
        room
    }

    fn leave(&mut self, token: Seat) {
        let Some((number, chair)) = self.seats.remove(&token) else { return };
        self.metrics.viewers.dec();
        let room = &mut self.rooms[number];
        room.audience.remove(chair);
        if !room.audience.is_empty() {
            return;
        }
        let room = self.rooms.remove(number);
        self.pending.retain(|&pending| pending != number);
        for channel in room.target.channels() {
            if let Some(topic) = self.topics.get_mut(channel) {
                topic.rooms.retain(|&other| other != number);
                topic.idle_since = Instant::now();
            }
        }
        self.rooms_by_key.remove(&(room.target, room.style));
    }

    /// Writes what waits for each room.
    async fn write(&mut self) {
        for number in std::mem::take(&mut self.pending) {
            let room = &mut self.rooms[number];
            let messages = std::mem::take(&mut room.out).freeze();
            let deliveries = std::mem::take(&mut room.lines) * room.audience.len() as u64;
            room.audience.send(&messages).await;
            self.metrics.deliveries.inc_by(deliveries);
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

/// What a line counts for in the backlog.
pub(crate) fn weight(line: &Line) -> usize {
    line.text.len() + 64
}
