//! What a client asks of a channel's history, and where its lines begin.

use crate::line::LineId;
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

/// What a channel's recorded history in Redis has for a client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StoredStart {
    /// Every line after this id …
    pub(crate) complete_after: LineId,
    /// … and up to this one is recorded, and not dropped.
    pub(crate) complete_until: LineId,
    /// The channel has a stream.
    pub(crate) exists: bool,
    /// The last lines, if the client asks for them and there are any.
    pub(crate) last: Option<StoredLines>,
}

/// Some lines of a channel that follow one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StoredLines {
    pub(crate) count: usize,
    pub(crate) oldest: LineId,
    pub(crate) newest: LineId,
}

/// Where a client's lines begin. From there on it gets each once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Start {
    /// It gets the lines after this one …
    pub(crate) after: LineId,
    /// … without the first of them, which are so many.
    pub(crate) skip: usize,
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

    /// Answers from the replay buffers of a channel or of all channels of a run, and from the stored history if there is any.
    /// `latest` is the last line that was received.
    pub(crate) fn start<'a>(
        &self,
        buffers: impl Iterator<Item = &'a ReplayBuffer>,
        stored: Option<&StoredStart>,
        latest: LineId,
    ) -> Start {
        let count = if self.since_id().is_some() { 0 } else { self.last.unwrap_or(0) };
        let mut buffered_after = LineId::default();
        let mut buffered: Vec<LineId> = Vec::new();
        for buffer in buffers {
            buffered_after = buffered_after.max(buffer.complete_after());
            buffered.extend(buffer.last_lines(count).map(|line| line.id));
        }
        buffered.sort_unstable();
        // The two are complete together only if no line lies between them.
        let joined = stored.filter(|stored| buffered_after <= stored.complete_until);
        let complete_after =
            joined.map_or(buffered_after, |stored| stored.complete_after.min(buffered_after));
        let last = stored.and_then(|stored| stored.last);
        if last.is_some() {
            // The stored history also has what the buffer lacks. So only those count that are known to follow one another.
            buffered.retain(|id| *id > buffered_after);
        }
        match self.since {
            Some(Since::Line(since)) => Start { after: since, skip: 0, recovered: since >= complete_after },
            None if count > 0 => start_at_last(count, &buffered, last, latest, complete_after),
            // Nobody knows which lines the client has, and it must not get one twice: it gets the last lines only if it
            // asked for them too.
            Some(Since::Unknown) if count > 0 => {
                Start { recovered: false, ..start_at_last(count, &buffered, last, latest, complete_after) }
            }
            since => Start { after: latest, skip: 0, recovered: since.is_none() },
        }
    }
}

/// Where the last `count` lines begin: among those of the buffers, or in the stored history if they are fewer.
fn start_at_last(
    count: usize,
    buffered: &[LineId],
    stored: Option<StoredLines>,
    latest: LineId,
    complete_after: LineId,
) -> Start {
    if let Some(&first) = buffered.len().checked_sub(count).and_then(|index| buffered.get(index)) {
        return Start { after: first.previous(), skip: 0, recovered: first > complete_after };
    }
    let oldest = buffered.first();
    match stored.filter(|stored| oldest.is_none_or(|oldest| stored.oldest < *oldest)) {
        Some(stored) => {
            let later = buffered.iter().filter(|id| **id > stored.newest).count();
            let total = stored.count + later;
            let recovered = total >= count && stored.oldest > complete_after;
            Start { after: stored.oldest.previous(), skip: total.saturating_sub(count), recovered }
        }
        None => Start { after: oldest.map_or(latest, |id| id.previous()), skip: 0, recovered: false },
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::line::{Line, test_line};
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

    /// The lines of epoch 9 that a client gets, whose stored history has those up to its end.
    fn replay(
        request: ResumeRequest,
        buffer: &ReplayBuffer,
        stored: Option<&StoredStart>,
    ) -> (Vec<u64>, bool) {
        let start = request.start(std::iter::once(buffer), stored, id(9, 100));
        let until = stored.map_or(0, |stored| stored.complete_until.sequence);
        let buffered = buffer.last_lines(100).map(|line| line.id.sequence);
        let mut all: Vec<u64> = (1..=until).chain(buffered).collect();
        all.sort_unstable();
        all.dedup();
        all.retain(|sequence| id(9, *sequence) > start.after);
        (all.split_off(start.skip), start.recovered)
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
        let stored = |until| StoredStart {
            complete_after: id(8, 0),
            complete_until: id(9, until),
            exists: true,
            last: Some(StoredLines {
                count: until.min(6) as usize,
                oldest: id(9, 1.max(until.saturating_sub(5))),
                newest: id(9, until),
            }),
        };
        assert_eq!(replay(since(id(9, 2)), &buffer, Some(&stored(6))), (vec![3, 4, 5, 6, 7], true));
        assert_eq!(replay(since(id(9, 2)), &buffer, Some(&stored(4))), (vec![3, 4, 5, 6, 7], true));
        assert_eq!(replay(since(id(9, 2)), &buffer, Some(&stored(3))), (vec![3, 5, 6, 7], false));
        assert_eq!(replay(since(id(7, 2)), &buffer, Some(&stored(6))), (vec![1, 2, 3, 4, 5, 6, 7], false));
        assert_eq!(replay(last(6), &buffer, Some(&stored(6))), (vec![2, 3, 4, 5, 6, 7], true));
        assert_eq!(replay(last(6), &buffer, Some(&stored(4))), (vec![2, 3, 4, 5, 6, 7], true));
        assert_eq!(replay(last(6), &buffer, Some(&stored(3))), (vec![1, 2, 3, 5, 6, 7], false));
        assert_eq!(replay(last(8), &buffer, Some(&stored(4))), (vec![1, 2, 3, 4, 5, 6, 7], false));
        assert_eq!(replay(last(2), &buffer, Some(&stored(6))), (vec![6, 7], true));
    }

    #[test]
    fn lines_that_another_instance_recorded_count_in_place_of_those_that_the_buffer_lacks() {
        let mut buffer = buffer(id(9, 0), 1..=2);
        buffer.mark_gap(id(9, 4));
        buffer.push(test_line(9, 5), Instant::now(), RETENTION);
        let lines = StoredLines { count: 3, oldest: id(9, 2), newest: id(9, 4) };
        let stored = StoredStart {
            complete_after: id(9, 1),
            complete_until: id(9, 4),
            exists: true,
            last: Some(lines),
        };
        assert_eq!(replay(last(3), &buffer, Some(&stored)), (vec![3, 4, 5], true));
        assert_eq!(replay(since(id(9, 1)), &buffer, Some(&stored)), (vec![2, 3, 4, 5], true));
    }

    #[test]
    fn all_channels_of_a_run_are_complete_from_where_each_of_them_is() {
        let mut buffers = [buffer(id(9, 0), [1, 3, 5]), buffer(id(9, 0), [2, 4])];
        buffers[1].mark_gap(id(9, 1));
        let start = |request: ResumeRequest| request.start(buffers.iter(), None, id(9, 5));
        assert_eq!(start(since(id(9, 2))), Start { after: id(9, 2), skip: 0, recovered: true });
        assert_eq!(start(last(2)), Start { after: id(9, 3), skip: 0, recovered: true });
        assert!(!start(since(id(9, 0))).recovered, "a line of b may be missing");
    }
}
