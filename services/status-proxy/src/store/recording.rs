//! What `past.lua` answers, and what it proves.

use fred::error::Error;
use fred::types::Value;

use crate::line::{Id, Line};
use crate::ring::Recorded;

/// What is recorded of some channels.
pub(crate) struct Recording {
    /// Every line before this mark is recorded …
    pub(crate) upto: u64,
    /// … from here on.
    pub(crate) complete: Id,
    /// In the order of the channels.
    pub(crate) streams: Vec<Stream>,
}

/// What is recorded of one channel.
pub(crate) struct Stream {
    /// It exists: something is recorded, or was.
    is_there: bool,
    /// The last entry that is not after the id that was asked about.
    anchor: Option<Id>,
    /// Oldest first.
    pub(crate) lines: Vec<Line>,
}

/// What is after this id is complete, and nothing is after it.
const NOTHING_PROVEN: Id = Id { mark: u64::MAX, number: u64::MAX };

impl Recording {
    pub(crate) fn read(answer: Vec<Value>) -> Result<Self, Error> {
        let mut values = answer.into_iter();
        let mut mark = || values.next().unwrap_or(Value::Null).convert::<u64>();
        let (upto, complete) = (mark()?, mark()?);
        let streams = values.map(Stream::read).collect::<Result<_, _>>()?;
        // Without a state the recording is of nobody knows when.
        let complete = if upto == 0 { NOTHING_PROVEN } else { Id { mark: complete, number: 0 } };
        Ok(Self { upto, complete, streams })
    }

    /// What it proves to a client that has seen `since`, or that asks for the last lines.
    pub(crate) fn for_client(self, since: Option<Id>) -> Vec<Recorded> {
        let complete_until = Id { mark: self.upto, number: 0 };
        // The id is of a line that the client got on one of its channels. If that is gone, others may be gone with it.
        let is_anchored = self.streams.iter().any(|stream| stream.anchor.is_some() && stream.anchor == since);
        let complete_after = |stream: &Stream| match since {
            Some(since)
                if since >= self.complete && is_anchored && (!stream.is_there || stream.anchor.is_some()) =>
            {
                since
            }
            Some(_) => NOTHING_PROVEN,
            None => {
                let first = stream.lines.first().map_or(complete_until, |line| line.id);
                Id { number: first.number.saturating_sub(1), ..first }.max(self.complete)
            }
        };
        self.streams
            .into_iter()
            .map(|stream| Recorded {
                complete_after: complete_after(&stream),
                complete_until,
                lines: stream.lines,
            })
            .collect()
    }
}

impl Stream {
    fn read(value: Value) -> Result<Self, Error> {
        let (is_there, anchor, entries): (bool, String, Vec<String>) = value.convert()?;
        let line = |pair: &[String]| Some(Line { id: pair[0].parse().ok()?, text: pair[1].as_str().into() });
        let lines = entries.chunks_exact(2).filter_map(line).collect();
        Ok(Self { is_there, anchor: anchor.parse().ok(), lines })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ring::line;

    fn stream(anchor: Option<Id>, numbers: &[u64]) -> Stream {
        Stream { is_there: true, anchor, lines: numbers.iter().map(|number| line(5, *number)).collect() }
    }

    fn after(streams: Vec<Stream>, since: Option<Id>) -> Vec<Id> {
        let complete = Id { mark: 3, number: 0 };
        let recorded = Recording { upto: 9, complete, streams }.for_client(since);
        recorded.iter().map(|recorded| recorded.complete_after).collect()
    }

    fn id(mark: u64, number: u64) -> Id {
        Id { mark, number }
    }

    #[test]
    fn an_id_is_good_as_long_as_its_line_is_recorded() {
        let since = id(5, 1);
        assert_eq!(after(vec![stream(Some(since), &[2, 3])], Some(since)), [since]);
        assert_eq!(
            after(vec![stream(Some(id(5, 0)), &[2, 3])], Some(since)),
            [NOTHING_PROVEN],
            "the line is gone"
        );
        assert_eq!(after(vec![stream(None, &[2, 3])], Some(since)), [NOTHING_PROVEN], "it was trimmed");
        assert_eq!(
            after(vec![stream(Some(id(2, 1)), &[])], Some(id(2, 1))),
            [NOTHING_PROVEN],
            "before the recording"
        );
    }

    #[test]
    fn another_channel_is_whole_if_it_reaches_back_or_never_spoke() {
        let since = id(5, 1);
        let silent = Stream { is_there: false, anchor: None, lines: Vec::new() };
        let streams =
            vec![stream(Some(since), &[]), stream(Some(id(4, 0)), &[2]), silent, stream(None, &[4])];
        assert_eq!(after(streams, Some(since)), [since, since, since, NOTHING_PROVEN]);
    }

    #[test]
    fn the_last_lines_are_whole_from_the_first_of_them_on() {
        assert_eq!(after(vec![stream(None, &[4, 5]), stream(None, &[])], None), [id(5, 3), id(9, 0)]);
    }

    #[test]
    fn without_a_state_nothing_is_proven() {
        let recording = Recording::read(vec!["0".into(), "0".into()]).ok().unwrap();
        assert_eq!(recording.complete, NOTHING_PROVEN);
    }
}
