//! What a shard knows of one channel.

use std::time::{Duration, Instant};

use crate::line::{Line, LineId};
use crate::replay_buffer::{ReplayBuffer, Retention};
use crate::subscriptions::ChannelGuard;

/// How channels are kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChannelPolicy {
    pub(crate) retention: Retention,
    /// How long a channel without viewers keeps its lines, and its subscription.
    pub(crate) idle_ttl: Duration,
    /// The most channels of a shard. Beyond that, lines of channels that nobody watches are not kept in memory.
    pub(crate) max_channels: usize,
    /// The most bytes of lines in a shard. Beyond that the oldest lines are dropped, of whatever channel.
    pub(crate) max_bytes: usize,
    /// This instance receives the lines of all channels, with or without viewers. A channel exists from its first line.
    pub(crate) receives_all: bool,
}

/// One channel.
pub(super) struct ChannelState {
    pub(super) buffer: ReplayBuffer,
    /// The fan-out groups that watch it.
    pub(super) groups: Vec<usize>,
    /// How many viewers catch up, and are in no group yet.
    pub(super) backfills: usize,
    /// Keeps it subscribed.
    pub(super) guard: Option<ChannelGuard>,
    /// Since when it has no viewers and, if its lines come anyway, no new line.
    idle_since: Instant,
    has_had_lines: bool,
}

impl ChannelState {
    /// A channel whose lines after `complete_after` will all be pushed.
    pub(super) fn new(complete_after: LineId) -> Self {
        Self {
            buffer: ReplayBuffer::new(complete_after),
            groups: Vec::new(),
            backfills: 0,
            guard: None,
            idle_since: Instant::now(),
            has_had_lines: false,
        }
    }

    /// Keeps a line. One that comes without viewers, too, keeps the channel.
    pub(super) fn push(&mut self, line: Line, comes_anyway: bool, retention: Retention) {
        let now = Instant::now();
        if comes_anyway {
            self.idle_since = now;
        }
        self.has_had_lines = true;
        self.buffer.push(line, now, retention);
    }

    /// A line of a run that is watched as a whole is kept by its channel.
    pub(super) fn note_line(&mut self) {
        self.has_had_lines = true;
    }

    fn is_watched(&self) -> bool {
        !self.groups.is_empty() || self.backfills > 0
    }

    /// A viewer or a group of them has left. `false`: nobody watches the channel, and it never had a line, so it should be
    /// dropped.
    pub(super) fn note_leave(&mut self) -> bool {
        self.idle_since = Instant::now();
        self.has_had_lines || self.is_watched()
    }

    /// Drops old lines. `false`: the channel has been idle for too long, and should be dropped.
    pub(super) fn expire(&mut self, now: Instant, policy: ChannelPolicy) -> bool {
        let is_idle = !self.is_watched();
        let age = if is_idle { policy.idle_ttl } else { policy.retention.age };
        if let Some(cutoff) = now.checked_sub(age) {
            self.buffer.expire(cutoff);
        }
        let is_over = now.checked_sub(policy.idle_ttl).is_some_and(|cutoff| self.idle_since < cutoff);
        !(is_idle && is_over)
    }
}
