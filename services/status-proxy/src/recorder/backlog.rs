//! The lines that are not yet recorded.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::line::Line;

/// The lines that are not yet recorded, as far as this instance knows, oldest first.
pub(super) struct Backlog {
    lines: VecDeque<(Arc<str>, Line)>,
    bytes: usize,
    /// The bytes of all backlogs of this instance.
    total_bytes: Arc<AtomicUsize>,
    /// Every line from this epoch on is here, or recorded. `None`: lines were dropped, and the next epoch is awaited.
    complete_since: Option<u64>,
    latest_epoch: u64,
}

impl Backlog {
    pub(super) fn new(total_bytes: Arc<AtomicUsize>) -> Self {
        Self { lines: VecDeque::new(), bytes: 0, total_bytes, complete_since: None, latest_epoch: 0 }
    }

    /// Adds a line, unless the next epoch is awaited.
    pub(super) fn push(&mut self, channel: Arc<str>, line: Line) {
        if self.complete_since.is_some() {
            self.bytes += line.text.len();
            self.total_bytes.fetch_add(line.text.len(), Ordering::Relaxed);
            self.lines.push_back((channel, line));
        }
    }

    /// Drops all lines until the next epoch.
    pub(super) fn clear(&mut self) {
        self.drop_first(self.lines.len());
        self.complete_since = None;
    }

    /// A new epoch has started.
    pub(super) fn start_epoch(&mut self, epoch: u64) {
        self.complete_since.get_or_insert(epoch);
        self.latest_epoch = epoch;
    }

    /// Lines before this epoch may be missing. Those that are here are kept.
    pub(super) fn mark_gap(&mut self, epoch: u64) {
        self.complete_since = Some(epoch);
    }

    pub(super) fn latest_epoch(&self) -> u64 {
        self.latest_epoch
    }

    /// Every line before this epoch is recorded: drops them.
    pub(super) fn drop_before(&mut self, epoch: u64) {
        self.drop_first(self.lines.partition_point(|(_, line)| line.id.epoch < epoch));
        self.complete_since = self.complete_since.map(|since| since.max(epoch));
    }

    pub(super) fn drop_first(&mut self, count: usize) {
        let bytes: usize = self.lines.drain(..count).map(|(_, line)| line.text.len()).sum();
        self.bytes -= bytes;
        self.total_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// How many of the lines, at most this many, have at most so many bytes; at least one, if there is any.
    pub(super) fn count_within(&self, max_lines: usize, max_bytes: usize) -> usize {
        let mut bytes = 0;
        let fits = |(_, line): &&(Arc<str>, Line)| {
            bytes += line.text.len();
            bytes <= max_bytes
        };
        let count = self.lines.iter().take(max_lines).take_while(fits).count();
        count.max(1).min(self.lines.len())
    }

    pub(super) fn first(&mut self, count: usize) -> &[(Arc<str>, Line)] {
        &self.lines.make_contiguous()[..count]
    }

    /// The epoch before which no line remains when the first `count` lines are recorded.
    pub(super) fn epoch_after(&self, count: usize) -> u64 {
        self.lines.get(count).map_or(self.latest_epoch, |(_, line)| line.id.epoch)
    }

    pub(super) fn complete_since(&self) -> Option<u64> {
        self.complete_since
    }

    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}
