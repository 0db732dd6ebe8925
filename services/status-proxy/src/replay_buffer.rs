//! The last lines of a channel, and from where on they are complete.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::line::{Line, LineId};

/// What a line takes in memory beside its text.
const LINE_OVERHEAD: usize = 64;

/// How much of a channel is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Retention {
    /// The most lines.
    pub(crate) lines: usize,
    /// The most bytes of text.
    pub(crate) bytes: usize,
    /// The greatest age of a line.
    pub(crate) age: Duration,
}

/// The last lines of a channel, in order. It holds every line with an id greater than
/// [`complete_after`](Self::complete_after).
#[derive(Debug)]
pub(crate) struct ReplayBuffer {
    lines: VecDeque<(Instant, Line)>,
    bytes: usize,
    complete_after: LineId,
}

impl ReplayBuffer {
    /// An empty buffer. The caller pushes every line with a greater id than `complete_after`.
    pub(crate) fn new(complete_after: LineId) -> Self {
        Self { lines: VecDeque::new(), bytes: 0, complete_after }
    }

    /// Adds a line, and drops the oldest lines that exceed the retention.
    pub(crate) fn push(&mut self, line: Line, now: Instant, retention: Retention) {
        self.bytes += line.text.len();
        self.lines.push_back((now, line));
        while self.lines.len() > retention.lines || self.bytes > retention.bytes {
            self.drop_oldest();
        }
    }

    /// Drops the lines that were pushed before `cutoff`.
    pub(crate) fn expire(&mut self, cutoff: Instant) {
        while self.lines.front().is_some_and(|(pushed_at, _)| *pushed_at < cutoff) {
            self.drop_oldest();
        }
        if self.lines.is_empty() {
            // Gives the memory back.
            self.lines = VecDeque::new();
        }
    }

    /// Lines up to `id` may have been missed. Every line that is pushed from now on has a greater id.
    pub(crate) fn mark_gap(&mut self, id: LineId) {
        self.complete_after = self.complete_after.max(id);
    }

    /// The bytes that the lines take in memory, about.
    pub(crate) fn size(&self) -> usize {
        self.bytes + self.lines.len() * LINE_OVERHEAD
    }

    /// When the oldest line was pushed.
    pub(crate) fn oldest(&self) -> Option<Instant> {
        self.lines.front().map(|(pushed_at, _)| *pushed_at)
    }

    /// When the newest line was pushed.
    pub(crate) fn newest(&self) -> Option<Instant> {
        self.lines.back().map(|(pushed_at, _)| *pushed_at)
    }

    /// No line with a greater id is missing.
    pub(crate) fn complete_after(&self) -> LineId {
        self.complete_after
    }

    /// The id of the last line. All earlier ones were here, or are known to be missing.
    pub(crate) fn end(&self) -> LineId {
        self.lines.back().map_or(self.complete_after, |(_, line)| line.id.max(self.complete_after))
    }

    /// The lines after an id, oldest first.
    pub(crate) fn lines_after(&self, id: LineId) -> impl Iterator<Item = &Line> {
        self.lines_from(self.lines.partition_point(|(_, line)| line.id <= id))
    }

    /// The last lines, at most so many, oldest first.
    pub(crate) fn last_lines(&self, count: usize) -> impl Iterator<Item = &Line> {
        self.lines_from(self.lines.len().saturating_sub(count))
    }

    fn lines_from(&self, index: usize) -> impl Iterator<Item = &Line> {
        self.lines.range(index..).map(|(_, line)| line)
    }

    fn drop_oldest(&mut self) {
        if let Some((_, line)) = self.lines.pop_front() {
            self.bytes -= line.text.len();
            self.complete_after = self.complete_after.max(line.id);
        }
    }
}
