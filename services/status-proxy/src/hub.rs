//! The way in to the shards, for lines and for clients.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::mpsc;
use tracing::warn;
use ws_server::Client;

use crate::line::{Id, Line};
use crate::metrics::Metrics;
use crate::ring::Ask;
use crate::shard::{Backlog, Input, Join, Joined, Policy, Shard, weight};
use crate::target::{Target, shard_of};

/// Bytes that may wait for a shard. What comes beyond is a gap: waiting here would make Redis drop the connection.
const MAX_BACKLOG: usize = 64 * 1024 * 1024;

/// All shards. Cloning shares them.
#[derive(Clone)]
pub(crate) struct Hub(Arc<Inner>);

struct Inner {
    shards: Vec<Handle>,
    next_token: AtomicU64,
    metrics: Metrics,
}

struct Handle {
    queue: mpsc::UnboundedSender<Input>,
    backlog: Backlog,
    has_lost: AtomicBool,
}

impl Hub {
    /// The hub and what its shards do, one future each.
    pub(crate) fn new(policy: Policy, metrics: &Metrics) -> (Self, Vec<impl Future<Output = ()> + use<>>) {
        let count = std::thread::available_parallelism().map_or(1, usize::from);
        let (shards, work) = (0..count)
            .map(|_| {
                let (queue, inputs) = mpsc::unbounded_channel();
                let backlog = Backlog::default();
                let shard = Shard::new(policy, metrics.clone(), backlog.clone());
                (Handle { queue, backlog, has_lost: AtomicBool::new(false) }, shard.run(inputs))
            })
            .unzip();
        (Self(Arc::new(Inner { shards, next_token: AtomicU64::new(0), metrics: metrics.clone() })), work)
    }

    /// Gives a line to those who watch its channel. Ids must grow from call to call.
    pub(crate) fn line(&self, channel: Arc<str>, line: Line) {
        let shard = &self.0.shards[shard_of(&channel, self.0.shards.len())];
        if shard.backlog.load(Ordering::Relaxed) > MAX_BACKLOG {
            if !shard.has_lost.swap(true, Ordering::Relaxed) {
                warn!("lines come faster than they can be given on: some are lost, and a gap is announced");
            }
            return;
        }
        if shard.has_lost.swap(false, Ordering::Relaxed) {
            // What was lost had lesser ids than this line, which is the first of the next lines.
            self.0.metrics.gaps.inc();
            shard.send(Input::Gap(Id { number: line.id.number.saturating_sub(1), ..line.id }));
        }
        shard.backlog.fetch_add(weight(&line), Ordering::Relaxed);
        shard.send(Input::Line(channel, line));
    }

    /// Announces that lines of any channel may have been missed.
    pub(crate) fn gap(&self, at: Id) {
        self.0.metrics.gaps.inc();
        self.0.shards.iter().for_each(|shard| shard.send(Input::Gap(at)));
    }

    /// Says that what was missed has been given after all, as far as anybody watches.
    pub(crate) fn caught_up(&self, at: Id) {
        self.0.shards.iter().for_each(|shard| shard.send(Input::CaughtUp(at)));
    }

    /// Seats a client; it leaves when what is returned is dropped.
    pub(crate) fn join(&self, client: Client, target: Target, ask: Ask, channels: Vec<Joined>) -> Leave {
        let token = self.0.next_token.fetch_add(1, Ordering::Relaxed);
        let shard = shard_of(target.channels().next().unwrap_or_default(), self.0.shards.len());
        self.0.shards[shard].send(Input::Join(Box::new(Join { client, target, ask, channels, token })));
        Leave { hub: self.clone(), shard, token }
    }
}

impl Handle {
    fn send(&self, input: Input) {
        // A shard ends with the process only; then nobody is left to be told.
        let _ = self.queue.send(input);
    }
}

/// Makes its client leave when dropped.
pub(crate) struct Leave {
    hub: Hub,
    shard: usize,
    token: u64,
}

impl Drop for Leave {
    fn drop(&mut self) {
        self.hub.0.shards[self.shard].send(Input::Leave(self.token));
    }
}
