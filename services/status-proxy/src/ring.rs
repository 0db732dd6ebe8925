//! The last lines of a channel, and what is known about their completeness.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::line::{Id, Line};

/// How much of a channel is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keep {
    /// Lines.
    pub(crate) lines: usize,
    /// Bytes of text.
    pub(crate) bytes: usize,
    /// Age of a line.
    pub(crate) age: Duration,
}

/// Lines in order. Every line that was published after [`complete_after`](Self::complete_after) is in it.
#[derive(Debug)]
pub(crate) struct Ring {
    lines: VecDeque<(Instant, Line)>,
    bytes: usize,
    complete_after: Id,
}

impl Ring {
    /// An empty ring of a channel of which everything after `complete_after` will be pushed.
    pub(crate) fn new(complete_after: Id) -> Self {
        Self { lines: VecDeque::new(), bytes: 0, complete_after }
    }

    /// Adds a line, at the expense of older ones.
    pub(crate) fn push(&mut self, line: Line, now: Instant, keep: Keep) {
        self.bytes += line.text.len();
        self.lines.push_back((now, line));
        while self.lines.len() > keep.lines || self.bytes > keep.bytes {
            self.drop_oldest();
        }
    }

    /// Drops lines that are older than this.
    pub(crate) fn expire(&mut self, before: Instant) {
        while self.lines.front().is_some_and(|(at, _)| *at < before) {
            self.drop_oldest();
        }
        if self.lines.is_empty() {
            self.lines = VecDeque::new();
        }
    }

    /// Lines may have been missed; every line from here on has a greater id.
    pub(crate) fn gap(&mut self, at: Id) {
        self.complete_after = self.complete_after.max(at);
    }

    /// Nothing is missing after this id.
    pub(crate) fn complete_after(&self) -> Id {
        self.complete_after
    }

    /// The lines, oldest first.
    pub(crate) fn lines(&self) -> impl DoubleEndedIterator<Item = &Line> {
        self.lines.iter().map(|(_, line)| line)
    }

    fn drop_oldest(&mut self) {
        if let Some((_, line)) = self.lines.pop_front() {
            self.bytes -= line.text.len();
            self.complete_after = self.complete_after.max(line.id);
        }
    }
}

/// What a client wants of the past.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ask {
    /// The id after which it wants everything; `None` within is an id that nobody here ever gave.
    pub(crate) since: Option<Option<Id>>,
    /// The number of last lines it wants, where `since` says nothing.
    pub(crate) history: Option<usize>,
}

/// What was recorded of a channel elsewhere, to be joined with its ring.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    /// Lines, oldest first.
    pub(crate) lines: Vec<Line>,
    /// Every line after this id …
    pub(crate) complete_after: Id,
    /// … and up to this one is among them.
    pub(crate) complete_until: Id,
}

/// What a client gets of the past: every line once, and whether that is all that it asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Past {
    /// The lines, oldest first.
    pub(crate) lines: Vec<Line>,
    /// Nothing that was asked for is missing.
    pub(crate) recovered: bool,
}

impl Ask {
    /// Whether anything is asked for.
    pub(crate) fn is_some(&self) -> bool {
        self.since.is_some() || self.history.is_some()
    }

    /// The answer from a ring, and from what was recorded elsewhere, if anything.
    pub(crate) fn answer(&self, ring: &Ring, recorded: Option<&Recorded>) -> Past {
        // The two parts join only if there is nothing between them.
        let joined = recorded.filter(|recorded| ring.complete_after() <= recorded.complete_until);
        let complete_after =
            joined.map_or(ring.complete_after(), |r| r.complete_after.min(ring.complete_after()));
        let oldest_in_ring = ring.lines().next().map(|line| line.id);
        let elsewhere = recorded.into_iter().flat_map(|recorded| &recorded.lines);
        let elsewhere = elsewhere.filter(|line| oldest_in_ring.is_none_or(|oldest| line.id < oldest));
        let mut lines: Vec<Line> = elsewhere.chain(ring.lines()).cloned().collect();
        match (self.since, self.history) {
            (Some(Some(since)), _) => {
                lines.retain(|line| line.id > since);
                Past { lines, recovered: since >= complete_after }
            }
            (None, Some(count)) => {
                lines.drain(..lines.len().saturating_sub(count));
                let is_whole = lines.first().is_none_or(|first| first.id > complete_after);
                Past { recovered: lines.len() == count && is_whole, lines }
            }
            // Which lines the client has is unknown, and it must get none twice: it gets what else it asked for.
            (_, history) => {
                let count = history.unwrap_or(0);
                lines.drain(..lines.len().saturating_sub(count));
                Past { lines, recovered: false }
            }
        }
    }
}

/// A line for tests.
#[cfg(test)]
pub(crate) fn line(mark: u64, number: u64) -> Line {
    Line { id: Id { mark, number }, text: format!("{mark}-{number}").into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEEP: Keep = Keep { lines: 5, bytes: 1000, age: Duration::from_secs(60) };

    fn id(mark: u64, number: u64) -> Id {
        Id { mark, number }
    }

    fn ring(after: Id, numbers: impl IntoIterator<Item = u64>) -> Ring {
        let mut ring = Ring::new(after);
        numbers.into_iter().for_each(|number| ring.push(line(9, number), Instant::now(), KEEP));
        ring
    }

    fn since(since: Id) -> Ask {
        Ask { since: Some(Some(since)), history: None }
    }

    fn history(count: usize) -> Ask {
        Ask { since: None, history: Some(count) }
    }

    fn answer(ask: Ask, ring: &Ring, recorded: Option<&Recorded>) -> (Vec<u64>, bool) {
        let past = ask.answer(ring, recorded);
        (past.lines.iter().map(|line| line.id.number).collect(), past.recovered)
    }

    #[test]
    fn what_is_after_an_id_is_recovered_if_nothing_was_dropped_since() {
        let ring = ring(id(9, 0), 1..=8);
        assert_eq!(answer(since(id(9, 5)), &ring, None), (vec![6, 7, 8], true));
        assert_eq!(
            answer(since(id(9, 3)), &ring, None),
            (vec![4, 5, 6, 7, 8], true),
            "3 is the last that was dropped"
        );
        assert_eq!(answer(since(id(9, 2)), &ring, None), (vec![4, 5, 6, 7, 8], false));
        assert_eq!(answer(since(id(9, 8)), &ring, None), (vec![], true));
    }

    #[test]
    fn an_id_that_is_unknown_here_is_never_recovered_and_gets_nothing_twice() {
        let ring = ring(id(9, 0), 1..=3);
        assert_eq!(answer(Ask { since: Some(None), history: None }, &ring, None), (vec![], false));
        assert_eq!(answer(Ask { since: Some(None), history: Some(2) }, &ring, None), (vec![2, 3], false));
    }

    #[test]
    fn a_gap_is_remembered() {
        let mut ring = ring(id(9, 0), 1..=2);
        ring.gap(id(9, 3));
        ring.push(line(9, 4), Instant::now(), KEEP);
        assert_eq!(answer(since(id(9, 2)), &ring, None), (vec![4], false));
        assert_eq!(answer(since(id(9, 4)), &ring, None), (vec![], true));
        assert_eq!(answer(history(1), &ring, None), (vec![4], true));
        assert_eq!(answer(history(2), &ring, None), (vec![2, 4], false));
    }

    #[test]
    fn the_last_lines_are_whole_if_there_are_as_many_as_asked_for() {
        let ring = ring(id(9, 0), 1..=4);
        assert_eq!(answer(history(3), &ring, None), (vec![2, 3, 4], true));
        assert_eq!(answer(history(4), &ring, None), (vec![1, 2, 3, 4], true));
        assert_eq!(
            answer(history(5), &ring, None),
            (vec![1, 2, 3, 4], false),
            "what was before 1 is unknown"
        );
        assert_eq!(answer(history(0), &ring, None), (vec![], true));
    }

    #[test]
    fn lines_go_by_age_and_by_size() {
        let mut ring = ring(id(9, 0), 1..=3);
        ring.expire(Instant::now() + Duration::from_secs(1));
        assert_eq!((ring.lines().count(), ring.complete_after()), (0, id(9, 3)));
        ring.push(Line { id: id(9, 4), text: "x".repeat(600).into() }, Instant::now(), KEEP);
        ring.push(Line { id: id(9, 5), text: "x".repeat(600).into() }, Instant::now(), KEEP);
        assert_eq!(answer(history(2), &ring, None), (vec![5], false));
    }

    #[test]
    fn a_recording_joins_the_ring_if_nothing_lies_between() {
        let ring = ring(id(9, 4), 5..=7);
        let recorded = |until| Recorded {
            lines: (1..=until).map(|number| line(9, number)).collect(),
            complete_after: id(8, 0),
            complete_until: id(9, until),
        };
        assert_eq!(answer(since(id(9, 2)), &ring, Some(&recorded(6))), (vec![3, 4, 5, 6, 7], true));
        assert_eq!(answer(since(id(9, 2)), &ring, Some(&recorded(4))), (vec![3, 4, 5, 6, 7], true));
        assert_eq!(answer(since(id(9, 2)), &ring, Some(&recorded(3))), (vec![3, 5, 6, 7], false));
        assert_eq!(answer(since(id(7, 2)), &ring, Some(&recorded(6))), (vec![1, 2, 3, 4, 5, 6, 7], false));
        assert_eq!(answer(history(6), &ring, Some(&recorded(6))), (vec![2, 3, 4, 5, 6, 7], true));
    }
}
