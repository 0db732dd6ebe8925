//! Records all lines in Redis Streams, so that history survives a restart and serves every instance.
//!
//! Every instance hears every line and numbers it alike (see [`Id`](crate::line::Id)). One of them, the holder of a lease,
//! writes; the others keep what is not yet recorded, and go on from there when the lease runs out. A line that was
//! written by both is refused the second time, because its id is not new.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tracing::{info, warn};

use crate::line::Line;
use crate::metrics::Metrics;
use crate::ring::Keep;
use crate::store::Store;

/// How often the recorder publishes a mark and renews its lease, and the others look at how far it is.
const TICK: Duration = Duration::from_millis(250);
/// Lines in one call.
const AT_ONCE: usize = 256;
/// Bytes of lines that are kept until they are recorded. Beyond that the recording has a gap.
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// What the recorder hears, in the order in which Redis sent it.
pub(crate) enum Heard {
    Line(Arc<str>, Line),
    Mark(u64),
    /// Lines may have been missed before this mark, and none since.
    Begin(u64),
}

pub(crate) struct Recorder {
    store: Arc<Store>,
    keep: Keep,
    metrics: Metrics,
    /// Not recorded yet, as far as is known.
    lines: VecDeque<(Arc<str>, Line)>,
    bytes: usize,
    /// Every line from this mark on is in `lines`, or recorded. `None`: not before the next mark.
    start: Option<u64>,
    last_mark: u64,
    is_recorder: bool,
}

impl Recorder {
    pub(crate) fn new(store: Arc<Store>, keep: Keep, metrics: Metrics) -> Self {
        let lines = VecDeque::new();
        Self { store, keep, metrics, lines, bytes: 0, start: None, last_mark: 0, is_recorder: false }
    }

    /// Runs until the sender is gone.
    pub(crate) async fn run(mut self, mut heard: mpsc::UnboundedReceiver<Heard>) {
        let mut tick = tokio::time::interval(TICK);
        let mut inputs = Vec::with_capacity(AT_ONCE);
        loop {
            let is_tick = tokio::select! {
                count = heard.recv_many(&mut inputs, AT_ONCE) => {
                    if count == 0 {
                        return;
                    }
                    false
                }
                _ = tick.tick() => true,
            };
            inputs.drain(..).for_each(|input| self.hear(input));
            if is_tick && self.is_recorder {
                // Without it the recording is not known to be any further; the next one makes up for it.
                let _ = self.store.publish_mark().await;
            }
            if is_tick
                || (self.is_recorder && heard.is_empty())
                || (self.is_recorder && self.lines.len() >= AT_ONCE)
            {
                self.record(is_tick).await;
            }
        }
    }

    fn hear(&mut self, heard: Heard) {
        match heard {
            Heard::Line(channel, line) => {
                if self.start.is_some() {
                    self.bytes += line.text.len();
                    self.lines.push_back((channel, line));
                }
                if self.bytes > MAX_BYTES {
                    warn!("lines come faster than they can be recorded: history has a gap");
                    self.forget();
                }
            }
            Heard::Mark(mark) => {
                self.start.get_or_insert(mark);
                self.last_mark = mark;
            }
            Heard::Begin(mark) => {
                self.forget();
                self.start = Some(mark);
                self.last_mark = mark;
            }
        }
    }

    fn forget(&mut self) {
        self.lines.clear();
        self.bytes = 0;
        self.start = None;
    }

    /// Writes what there is, as the recorder; or tries to become it.
    async fn record(&mut self, mut try_anyway: bool) {
        while let Some(start) = self.start {
            let count = if self.is_recorder { self.lines.len().min(AT_ONCE) } else { 0 };
            if count == 0 && !try_anyway {
                return;
            }
            try_anyway = false;
            // All before the first line that is not in this call.
            let upto = self.lines.get(count).map_or(self.last_mark, |(_, line)| line.id.mark);
            let batch = &self.lines.make_contiguous()[..count];
            let state = match self.store.record(start, upto, self.keep, batch).await {
                Ok(state) => state,
                // Tried again with the next tick; what comes meanwhile waits.
                Err(_) => return,
            };
            if state.is_recorder != self.is_recorder {
                self.is_recorder = state.is_recorder;
                self.metrics.is_recorder.set(state.is_recorder.into());
                info!(
                    "this instance {} history",
                    if state.is_recorder { "records" } else { "no longer records" }
                );
            }
            if state.is_recorder {
                self.metrics.recorded.inc_by(count as u64);
                self.drop_first(count);
            } else {
                let recorded = self.lines.partition_point(|(_, line)| line.id.mark < state.upto);
                self.drop_first(recorded);
                self.start = Some(start.max(state.upto));
                return;
            }
        }
    }

    fn drop_first(&mut self, count: usize) {
        self.bytes -= self.lines.drain(..count).map(|(_, line)| line.text.len()).sum::<usize>();
    }
}
