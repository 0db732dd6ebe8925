//! Records all lines in Redis Streams, so that history survives a restart and is the same for every instance.
//!
//! Every instance receives every line and numbers it alike (see [`LineId`](crate::line::LineId)). Of each partition of the runs one
//! instance, the recorder, holds a lease and writes. The others keep the lines that are not yet recorded, and one of them continues
//! when the lease runs out. If two write the same line, Redis refuses the second one, because its id is not new.

mod backlog;
mod group;
mod input;
mod queues;

use std::sync::Arc;
use std::time::Duration;

use redis_core::error::reason;
use redis_core::{ErrorClass, RedisError};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};
use tracing::{debug, warn};

use self::backlog::Backlog;
pub(crate) use self::group::RecorderGroup;
pub(crate) use self::input::RecorderInput;
pub(crate) use self::queues::RecorderQueues;
use crate::metrics::Metrics;
use crate::partition::Partition;
use crate::replay_buffer::Retention;
use crate::store::{HistoryStore, RecordedBy, Recording, RecordingState, Take};

/// How often the recorder publishes an epoch and renews its lease, and the others look how far it is.
const TICK: Duration = Duration::from_millis(250);
/// The most lines in one call.
const BATCH_SIZE: usize = 256;
/// On a Cluster a partition's lines are gathered for so long before they are recorded, so that a call has several.
const GATHER: Duration = Duration::from_millis(50);
/// The most bytes of lines in one call.
const BATCH_BYTES: usize = 1024 * 1024;
/// An instance that has its share, too, takes a partition that nobody has recorded for so many ticks …
const PATIENCE_TICKS: usize = 4;
/// … and one that lacks lines that are not recorded for so many.
const LONG_PATIENCE_TICKS: usize = 20;

/// Records the runs of a partition.
pub(crate) struct Recorder {
    history: Arc<HistoryStore>,
    partition: Partition,
    retention: Retention,
    metrics: Metrics,
    group: Arc<RecorderGroup>,
    backlog: Backlog,
    /// On a Cluster the node in whose order the lines are numbered.
    node: Arc<str>,
    is_recorder: bool,
    /// This instance may have missed lines that others have.
    lacks_lines: bool,
    /// So many calls Redis has told of to this instance as the recorder.
    calls: u64,
    /// For so many ticks nobody has recorded.
    free_ticks: usize,
    /// The last call has failed. Then the next one waits for the tick.
    has_failed: bool,
}

impl Recorder {
    pub(crate) fn new(
        history: Arc<HistoryStore>,
        partition: Partition,
        retention: Retention,
        metrics: Metrics,
        group: Arc<RecorderGroup>,
    ) -> Self {
        Self {
            history,
            partition,
            retention,
            metrics,
            backlog: Backlog::new(group.backlog_bytes()),
            group,
            node: Arc::default(),
            is_recorder: false,
            lacks_lines: false,
            calls: 0,
            free_ticks: 0,
            has_failed: false,
        }
    }

    /// Runs until the sender is dropped.
    pub(crate) async fn run(mut self, mut inputs: mpsc::UnboundedReceiver<RecorderInput>) {
        let mut tick = tokio::time::interval(TICK);
        // After a pause of this process the others get as many ticks, too, before it takes what seems to be left.
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut batch = Vec::with_capacity(BATCH_SIZE);
        let mut next = Instant::now();
        loop {
            if !self.group.is_single() && inputs.len() < BATCH_SIZE {
                tokio::time::sleep_until(next).await;
                next = Instant::now() + GATHER;
            }
            let is_tick = tokio::select! {
                count = inputs.recv_many(&mut batch, BATCH_SIZE) => {
                    if count == 0 {
                        return;
                    }
                    false
                }
                _ = tick.tick() => true,
            };
            batch.drain(..).for_each(|input| self.apply(input));
            if is_tick && self.is_recorder && self.partition.number == 0 {
                // Without a new epoch the recording is not known to reach further. The next epoch makes up for a failure.
                let _ = self.history.publish_epoch(&self.node).await;
            }
            let lacks_lines = std::mem::take(&mut self.lacks_lines) && self.group.is_shared();
            if self.is_recorder && (lacks_lines || is_tick && self.group.has_too_many()) {
                self.leave().await;
            }
            let is_due = self.is_recorder
                && !self.has_failed
                && (inputs.is_empty() || self.backlog.len() >= BATCH_SIZE);
            if is_tick || is_due {
                self.record(is_tick).await;
            }
        }
    }

    fn apply(&mut self, input: RecorderInput) {
        match input {
            RecorderInput::Line(channel, line) => {
                self.backlog.push(channel, line);
                if self.group.is_too_large(self.backlog.bytes()) {
                    warn!("lines arrive faster than they can be recorded: the recorded history has a gap");
                    self.backlog.clear();
                }
            }
            RecorderInput::Epoch(epoch) => self.backlog.start_epoch(epoch),
            RecorderInput::Gap(epoch) => {
                self.backlog.start_epoch(epoch);
                self.backlog.mark_gap(epoch);
            }
            RecorderInput::Restart(epoch, node) => {
                self.backlog.clear();
                self.backlog.start_epoch(epoch);
                (self.node, self.calls, self.lacks_lines) = (node, 0, true);
            }
        }
    }

    /// As the recorder: writes the backlog. As another instance: tries to become the recorder, and drops what is recorded.
    async fn record(&mut self, mut even_without_lines: bool) {
        while let Some(since) = self.backlog.complete_since() {
            let count = if self.is_recorder { self.backlog.count_within(BATCH_SIZE, BATCH_BYTES) } else { 0 };
            if count == 0 && !even_without_lines {
                return;
            }
            even_without_lines = false;
            let until = self.backlog.epoch_after(count);
            let recording = Recording {
                partition: &self.partition,
                node: &self.node,
                take: self.take(),
                since,
                until,
                retention: self.retention,
                calls: self.calls,
                lines: self.backlog.first(count),
            };
            let state = match self.history.record(recording).await {
                Ok(state) => state,
                Err(error) => return self.on_error(&error),
            };
            self.set_failure(None);
            let RecordingState { by, complete_until, count, calls } = state;
            self.free_ticks = if by == RecordedBy::Nobody { self.free_ticks + 1 } else { 0 };
            self.set_is_recorder(matches!(by, RecordedBy::This | RecordedBy::ThisWithLoss));
            match by {
                RecordedBy::This => {
                    self.calls = calls;
                    self.metrics.recorded.inc_by(count as u64);
                    self.backlog.drop_first(count);
                }
                RecordedBy::ThisWithLoss => {
                    warn!(
                        "a shard of the Redis Cluster has lost recorded lines: the recorded history has a gap"
                    );
                    self.calls = 0;
                    // All lines of the epochs to come will be here.
                    self.backlog.mark_gap(self.backlog.latest_epoch() + 1);
                    even_without_lines = true;
                }
                RecordedBy::Other | RecordedBy::Nobody => {
                    self.calls = 0;
                    self.backlog.drop_before(complete_until);
                    return;
                }
            }
        }
    }

    fn take(&self) -> Take {
        // If there is only one recorder, whoever comes first is as good as another.
        if self.group.is_single() || self.free_ticks >= LONG_PATIENCE_TICKS {
            Take::Always
        } else if self.group.has_room() || self.free_ticks >= PATIENCE_TICKS {
            Take::WithoutGap
        } else {
            Take::Never
        }
    }

    /// Leaves the partition to another instance, which has all lines that are not recorded.
    async fn leave(&mut self) {
        self.set_is_recorder(false);
        self.calls = 0;
        if let Err(error) = self.history.release(&self.partition).await {
            debug!("leave a partition to another recorder: {}", reason(&error));
        }
    }

    /// What Redis refuses is tried again at the next tick; until then lines wait in the backlog. What can never be recorded
    /// becomes a gap.
    fn on_error(&mut self, error: &RedisError) {
        let mut reason = format!("record lines: {}", reason(error));
        if ErrorClass::of(error).is_invalid() {
            reason.push_str(": the recorded history has a gap");
            self.backlog.clear();
        }
        self.set_failure(Some(reason));
    }

    fn set_failure(&mut self, failure: Option<String>) {
        if failure.is_some() || self.has_failed {
            self.has_failed = failure.is_some();
            self.group.set_failure(self.partition.number, failure);
        }
    }

    fn set_is_recorder(&mut self, is_recorder: bool) {
        if is_recorder != self.is_recorder {
            self.is_recorder = is_recorder;
            self.group.count(is_recorder);
        }
    }
}
