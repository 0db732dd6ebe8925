//! Records all lines in Redis Streams, so that history survives a restart and is the same for every instance.
//!
//! Every instance receives every line and numbers it alike (see [`LineId`](crate::line::LineId)). One instance, the
//! recorder, holds a lease and writes. The others keep the lines that are not yet recorded, and one of them continues when
//! the lease runs out. If two write the same line, Redis refuses the second one, because its id is not new.

mod backlog;

use std::sync::Arc;
use std::time::Duration;

use redis_core::error::reason;
use redis_core::{ErrorClass, RedisError, State, publish_state};
use tokio::sync::{mpsc, watch};
use tracing::{info, warn};

use self::backlog::Backlog;
use crate::line::Line;
use crate::metrics::Metrics;
use crate::replay_buffer::Retention;
use crate::store::HistoryStore;

/// How often the recorder publishes an epoch and renews its lease, and the others look how far it is.
const TICK: Duration = Duration::from_millis(250);
/// The most lines in one call.
const BATCH_SIZE: usize = 256;
/// The most bytes of lines in one call.
const BATCH_BYTES: usize = 1024 * 1024;
/// The most bytes of lines that are not yet recorded. Beyond that the recorded history has a gap.
const MAX_BACKLOG_BYTES: usize = 64 * 1024 * 1024;

/// What the recorder is told, in the order in which Redis sent it.
pub(crate) enum RecorderInput {
    Line(Arc<str>, Line),
    /// A new epoch started.
    Epoch(u64),
    /// A new epoch started. Lines may have been missed before it, and none since.
    Restart(u64),
}

pub(crate) struct Recorder {
    history: Arc<HistoryStore>,
    retention: Retention,
    metrics: Metrics,
    backlog: Backlog,
    is_recorder: bool,
    /// Why the last call failed. Then the next one waits for the tick.
    state: watch::Sender<State>,
}

impl Recorder {
    pub(crate) fn new(history: Arc<HistoryStore>, retention: Retention, metrics: Metrics) -> Self {
        Self {
            history,
            retention,
            metrics,
            backlog: Backlog::default(),
            is_recorder: false,
            state: watch::Sender::new(Ok(None)),
        }
    }

    /// Whether Redis takes what this instance records.
    pub(crate) fn state(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    /// Runs until the sender is dropped.
    pub(crate) async fn run(mut self, mut inputs: mpsc::UnboundedReceiver<RecorderInput>) {
        let mut tick = tokio::time::interval(TICK);
        let mut batch = Vec::with_capacity(BATCH_SIZE);
        loop {
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
            if is_tick && self.is_recorder {
                // Without a new epoch the recording is not known to reach further. The next epoch makes up for a failure.
                let _ = self.history.publish_epoch().await;
            }
            let is_due = self.is_recorder
                && self.state.borrow().is_ok()
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
                if self.backlog.bytes() > MAX_BACKLOG_BYTES {
                    warn!("lines arrive faster than they can be recorded: the recorded history has a gap");
                    self.backlog.clear();
                }
            }
            RecorderInput::Epoch(epoch) => self.backlog.start_epoch(epoch),
            RecorderInput::Restart(epoch) => {
                self.backlog.clear();
                self.backlog.start_epoch(epoch);
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
            let lines = self.backlog.first(count);
            let state = match self.history.record(since, until, self.retention, lines).await {
                Ok(state) => state,
                Err(error) => return self.on_error(&error),
            };
            publish_state(&self.state, Ok(None));
            self.set_is_recorder(state.is_recorder);
            if !state.is_recorder {
                self.backlog.drop_before(state.complete_until);
                return;
            }
            self.metrics.recorded.inc_by(state.count as u64);
            self.backlog.drop_first(state.count);
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
        publish_state(&self.state, Err(reason));
    }

    fn set_is_recorder(&mut self, is_recorder: bool) {
        if is_recorder != self.is_recorder {
            self.is_recorder = is_recorder;
            self.metrics.is_recorder.set(is_recorder.into());
            info!("this instance {} history", if is_recorder { "records" } else { "no longer records" });
        }
    }
}
