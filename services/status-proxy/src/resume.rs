//! What a client asks of a channel's history, and what it gets.

use std::sync::Arc;

use crate::line::{Line, LineId};
use crate::replay_buffer::ReplayBuffer;

/// The history that a client asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ResumeRequest {
    /// `?since=`: every line after this one.
    pub(crate) since: Option<Since>,
    /// `?history=`: this many last lines. It counts only without an id to resume from.
    pub(crate) last: Option<usize>,
}

/// The last line that a client has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Since {
    Line(LineId),
    /// The client gave an id that is unknown here, or a text that is no id.
    Unknown,
}

/// The history of a channel, or of all channels of a run, as it is stored in Redis, to be joined with the replay buffers.
#[derive(Clone, Debug)]
pub(crate) struct StoredHistory {
    /// Lines with their channels, oldest first.
    pub(crate) lines: Vec<(Arc<str>, Line)>,
    /// Every line after this id …
    pub(crate) complete_after: LineId,
    /// … and up to this one is in `lines`.
    pub(crate) complete_until: LineId,
}

/// The lines that a client gets before live ones: each once.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Replay {
    /// The lines with their channels, oldest first.
    pub(crate) lines: Vec<(Arc<str>, Line)>,
    /// No line that the client asked for is missing.
    pub(crate) recovered: bool,
}

impl ResumeRequest {
    /// Whether the client asks for any history.
    pub(crate) fn is_some(&self) -> bool {
        self.since.is_some() || self.last.is_some()
    }

    /// The id to resume from, if the client gave one that is known here.
    pub(crate) fn since_id(&self) -> Option<LineId> {
        match self.since {
            Some(Since::Line(id)) => Some(id),
            Some(Since::Unknown) | None => None,
        }
    }

    /// Answers from the replay buffers of a channel or of all channels of a run, and from their stored history if there is any.
    pub(crate) fn replay<'a>(
        &self,
        buffers: impl Iterator<Item = (&'a Arc<str>, &'a ReplayBuffer)>,
        stored: Option<&StoredHistory>,
    ) -> Replay {
        let mut buffered_after = LineId::default();
        let mut lines: Vec<(Arc<str>, Line)> = Vec::new();
        for (channel, buffer) in buffers {
            buffered_after = buffered_after.max(buffer.complete_after());
            let named = |line: &Line| (channel.clone(), line.clone());
            match self.since_id() {
                Some(since) => lines.extend(buffer.lines_after(since).map(named)),
                None => lines.extend(buffer.last_lines(self.last.unwrap_or(0)).map(named)),
            }
        }
        // The two are complete together only if no line lies between them.
        let joined = stored.filter(|stored| buffered_after <= stored.complete_until);
        let complete_after =
            joined.map_or(buffered_after, |stored| stored.complete_after.min(buffered_after));
        if let Some(stored) = stored {
            // A line that has an id of this instance alone is also there, with the id that all instances give it.
            lines.retain(|(_, line)| !(line.id.is_local() && stored.covers(line.id)));
            lines.extend(stored.lines.iter().cloned());
            lines.sort_by_key(|(_, line)| line.id);
            lines.dedup_by_key(|(_, line)| line.id);
        } else {
            lines.sort_by_key(|(_, line)| line.id);
        }
        match (self.since, self.last) {
            (Some(Since::Line(since)), _) => {
                lines.retain(|(_, line)| line.id > since);
                Replay { lines, recovered: since >= complete_after }
            }
            (None, Some(count)) => {
                lines.drain(..lines.len().saturating_sub(count));
                let is_complete = lines.first().is_none_or(|(_, first)| first.id > complete_after);
                Replay { recovered: lines.len() == count && is_complete, lines }
            }
            // Nobody knows which lines the client has, and it must not get one twice: it gets the last lines only if it
            // asked for them too.
            (Some(Since::Unknown) | None, last) => {
                lines.drain(..lines.len().saturating_sub(last.unwrap_or(0)));
                Replay { lines, recovered: false }
            }
        }
    }
}

impl StoredHistory {
    /// Whether the line with this id is in `lines`, if there is one.
    fn covers(&self, id: LineId) -> bool {
        self.complete_after < id && id < self.complete_until
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::line::{FIRST_LOCAL_SEQUENCE, test_line};
    use crate::replay_buffer::Retention;

    const RETENTION: Retention = Retention { lines: 5, bytes: 1000, age: Duration::from_secs(60) };

    fn id(epoch: u64, sequence: u64) -> LineId {
        LineId { epoch, sequence }
    }

    fn buffer(complete_after: LineId, sequences: impl IntoIterator<Item = u64>) -> ReplayBuffer {
        let mut buffer = ReplayBuffer::new(complete_after);
        for sequence in sequences {
            buffer.push(test_line(9, sequence), Instant::now(), RETENTION);
        }
        buffer
    }

    fn since(id: LineId) -> ResumeRequest {
        ResumeRequest { since: Some(Since::Line(id)), last: None }
    }

    fn last(count: usize) -> ResumeRequest {
        ResumeRequest { since: None, last: Some(count) }
    }

    fn replay(
        request: ResumeRequest,
        buffer: &ReplayBuffer,
        stored: Option<&StoredHistory>,
    ) -> (Vec<u64>, bool) {
        let replay = request.replay(std::iter::once((&"r:a".into(), buffer)), stored);
        (replay.lines.iter().map(|(_, line)| line.id.sequence).collect(), replay.recovered)
    }

    fn stored_lines(sequences: impl IntoIterator<Item = u64>) -> Vec<(Arc<str>, Line)> {
        sequences.into_iter().map(|sequence| ("r:a".into(), test_line(9, sequence))).collect()
    }

    #[test]
    fn lines_after_an_id_are_recovered_if_none_of_them_was_dropped() {
        let buffer = buffer(id(9, 0), 1..=8);
        assert_eq!(replay(since(id(9, 5)), &buffer, None), (vec![6, 7, 8], true));
        assert_eq!(
            replay(since(id(9, 3)), &buffer, None),
            (vec![4, 5, 6, 7, 8], true),
            "3 is the last that was dropped"
        );
        assert_eq!(replay(since(id(9, 2)), &buffer, None), (vec![4, 5, 6, 7, 8], false));
        assert_eq!(replay(since(id(9, 8)), &buffer, None), (vec![], true));
    }

    #[test]
    fn an_unknown_id_is_never_recovered_and_gets_no_line_twice() {
        let buffer = buffer(id(9, 0), 1..=3);
        let unknown = |last| ResumeRequest { since: Some(Since::Unknown), last };
        assert_eq!(replay(unknown(None), &buffer, None), (vec![], false));
        assert_eq!(replay(unknown(Some(2)), &buffer, None), (vec![2, 3], false));
    }

    #[test]
    fn a_gap_is_remembered() {
        let mut buffer = buffer(id(9, 0), 1..=2);
        buffer.mark_gap(id(9, 3));
        buffer.push(test_line(9, 4), Instant::now(), RETENTION);
        assert_eq!(replay(since(id(9, 2)), &buffer, None), (vec![4], false));
        assert_eq!(replay(since(id(9, 4)), &buffer, None), (vec![], true));
        assert_eq!(replay(last(1), &buffer, None), (vec![4], true));
        assert_eq!(replay(last(2), &buffer, None), (vec![2, 4], false));
    }

    #[test]
    fn the_last_lines_are_recovered_if_there_are_as_many_as_asked_for() {
        let buffer = buffer(id(9, 0), 1..=4);
        assert_eq!(replay(last(3), &buffer, None), (vec![2, 3, 4], true));
        assert_eq!(replay(last(4), &buffer, None), (vec![1, 2, 3, 4], true));
        assert_eq!(
            replay(last(5), &buffer, None),
            (vec![1, 2, 3, 4], false),
            "what was published before 1 is unknown"
        );
        assert_eq!(replay(last(0), &buffer, None), (vec![], true));
    }

    #[test]
    fn lines_are_dropped_by_age_and_by_size() {
        let mut buffer = buffer(id(9, 0), 1..=3);
        buffer.expire(Instant::now() + Duration::from_secs(1));
        assert_eq!((buffer.last_lines(9).count(), buffer.complete_after()), (0, id(9, 3)));
        for sequence in 4..=5 {
            let line = Line { id: id(9, sequence), text: "x".repeat(600).into() };
            buffer.push(line, Instant::now(), RETENTION);
        }
        assert_eq!(replay(last(2), &buffer, None), (vec![5], false));
    }

    #[test]
    fn stored_history_joins_the_buffer_if_no_line_lies_between() {
        let buffer = buffer(id(9, 4), 5..=7);
        let stored = |until| StoredHistory {
            lines: stored_lines(1..=until),
            complete_after: id(8, 0),
            complete_until: id(9, until),
        };
        assert_eq!(replay(since(id(9, 2)), &buffer, Some(&stored(6))), (vec![3, 4, 5, 6, 7], true));
        assert_eq!(replay(since(id(9, 2)), &buffer, Some(&stored(4))), (vec![3, 4, 5, 6, 7], true));
        assert_eq!(replay(since(id(9, 2)), &buffer, Some(&stored(3))), (vec![3, 5, 6, 7], false));
        assert_eq!(replay(since(id(7, 2)), &buffer, Some(&stored(6))), (vec![1, 2, 3, 4, 5, 6, 7], false));
        assert_eq!(replay(last(6), &buffer, Some(&stored(6))), (vec![2, 3, 4, 5, 6, 7], true));
    }

    #[test]
    fn lines_that_another_instance_recorded_fill_a_gap_of_the_buffer_and_none_comes_twice() {
        let mut buffer = buffer(id(9, 0), 1..=2);
        buffer.mark_gap(id(9, 4));
        // Of the lines 3 and 4 one was received without its number.
        buffer.push(test_line(9, FIRST_LOCAL_SEQUENCE), Instant::now(), RETENTION);
        buffer.push(test_line(10, 1), Instant::now(), RETENTION);
        let stored =
            StoredHistory { lines: stored_lines(2..=4), complete_after: id(9, 1), complete_until: id(10, 0) };
        assert_eq!(replay(since(id(9, 1)), &buffer, Some(&stored)), (vec![2, 3, 4, 1], true));
        assert_eq!(replay(last(3), &buffer, Some(&stored)), (vec![3, 4, 1], true));
        let (lines, recovered) = replay(since(id(9, 1)), &buffer, None);
        assert_eq!((lines, recovered), (vec![2, FIRST_LOCAL_SEQUENCE, 1], false));
    }

    #[test]
    fn all_channels_of_a_run_are_complete_from_where_each_of_them_is() {
        let (a, b): (Arc<str>, Arc<str>) = ("r:a".into(), "r:b".into());
        let mut buffers = [buffer(id(9, 0), [1, 3, 5]), buffer(id(9, 0), [2, 4])];
        buffers[1].mark_gap(id(9, 1));
        let replay = |request: ResumeRequest| {
            let replay = request.replay([(&a, &buffers[0]), (&b, &buffers[1])].into_iter(), None);
            let lines: Vec<String> = replay
                .lines
                .iter()
                .map(|(channel, line)| format!("{channel} {}", line.id.sequence))
                .collect();
            (lines, replay.recovered)
        };
        let expected =
            |lines: &[&str], recovered| (lines.iter().map(|&line| line.to_owned()).collect(), recovered);
        assert_eq!(replay(since(id(9, 2))), expected(&["r:a 3", "r:b 4", "r:a 5"], true));
        assert_eq!(replay(last(2)), expected(&["r:b 4", "r:a 5"], true));
        assert!(!replay(since(id(9, 0))).1, "a line of b may be missing");
    }
}
