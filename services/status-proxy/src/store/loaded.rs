//! The reply of `load.lua`, and which lines it proves to be complete.

use std::sync::Arc;

use fred::types::Value;
use redis_core::RedisError;

use crate::line::{Line, LineId};
use crate::resume::StoredHistory;

/// The recorded lines of some channels.
pub(super) struct LoadedHistory {
    /// Every line before this epoch is recorded …
    pub(super) complete_until: u64,
    /// … from here on.
    pub(super) complete_since: LineId,
    /// One for each channel.
    pub(super) streams: Vec<LoadedStream>,
}

/// The recorded lines of one channel.
pub(super) struct LoadedStream {
    exists: bool,
    /// The last entry with an id up to the one that was asked for.
    anchor: Option<LineId>,
    /// Oldest first.
    pub(super) lines: Vec<Line>,
}

/// No line is proven to be complete: no id is greater than this one.
const NOTHING_COMPLETE: LineId = LineId { epoch: u64::MAX, sequence: u64::MAX };

impl LoadedHistory {
    pub(super) fn parse(reply: Vec<Value>) -> Result<Self, RedisError> {
        let mut values = reply.into_iter();
        let mut epoch = || values.next().and_then(|value| value.as_u64()).unwrap_or(0);
        let (complete_until, complete_since) = (epoch(), epoch());
        let streams = values.map(LoadedStream::parse).collect::<Result<_, _>>()?;
        // Without its state, nobody knows when the lines were recorded.
        let complete_since =
            if complete_until == 0 { NOTHING_COMPLETE } else { LineId::start_of(complete_since) };
        Ok(Self { complete_until, complete_since, streams })
    }

    /// What this proves to a client that has seen the line `since`, or that asks for the last lines.
    pub(super) fn for_client(self, channels: &[&str], since: Option<LineId>) -> Vec<StoredHistory> {
        let complete_until = LineId::start_of(self.complete_until);
        // `since` is a line of one of the channels. If none of the streams has it any more, lines after it may be gone too.
        let is_anchored = self.streams.iter().any(|stream| stream.anchor.is_some() && stream.anchor == since);
        let complete_after = |stream: &LoadedStream| match since {
            Some(since)
                if since >= self.complete_since
                    && is_anchored
                    && (!stream.exists || stream.anchor.is_some()) =>
            {
                since
            }
            Some(_) => NOTHING_COMPLETE,
            None => {
                let first = stream.lines.first().map_or(complete_until, |line| line.id);
                first.previous().max(self.complete_since)
            }
        };
        self.streams
            .into_iter()
            .zip(channels)
            .map(|(stream, channel)| {
                let (complete_after, channel) = (complete_after(&stream), Arc::<str>::from(*channel));
                let lines = stream.lines.into_iter().map(|line| (channel.clone(), line)).collect();
                StoredHistory { lines, complete_after, complete_until }
            })
            .collect()
    }
}

impl LoadedStream {
    fn parse(value: Value) -> Result<Self, RedisError> {
        let (exists, anchor, entries): (bool, String, Vec<Value>) = value.convert()?;
        let line = |pair: &[Value]| Some(Line { id: pair[0].as_str()?.parse().ok()?, text: text(&pair[1]) });
        let lines = entries.chunks_exact(2).filter_map(line).collect();
        Ok(Self { exists, anchor: anchor.parse().ok(), lines })
    }
}

/// The text of a published or recorded line. Bytes that are not UTF-8 become U+FFFD.
pub(super) fn text(value: &Value) -> Arc<str> {
    match value {
        Value::String(text) => Arc::from(&**text),
        other => String::from_utf8_lossy(other.as_bytes().unwrap_or_default()).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::test_line;

    fn stream(anchor: Option<LineId>, sequences: &[u64]) -> LoadedStream {
        let lines = sequences.iter().map(|sequence| test_line(5, *sequence)).collect();
        LoadedStream { exists: true, anchor, lines }
    }

    fn complete_after(streams: Vec<LoadedStream>, since: Option<LineId>) -> Vec<LineId> {
        let loaded = LoadedHistory { complete_until: 9, complete_since: LineId::start_of(3), streams };
        let channels = vec!["r:a"; loaded.streams.len()];
        loaded.for_client(&channels, since).iter().map(|stored| stored.complete_after).collect()
    }

    fn id(epoch: u64, sequence: u64) -> LineId {
        LineId { epoch, sequence }
    }

    #[test]
    fn lines_after_an_id_are_complete_as_long_as_its_line_is_recorded() {
        let since = id(5, 1);
        assert_eq!(complete_after(vec![stream(Some(since), &[2, 3])], Some(since)), [since]);
        assert_eq!(
            complete_after(vec![stream(Some(id(5, 0)), &[2, 3])], Some(since)),
            [NOTHING_COMPLETE],
            "the line is gone"
        );
        assert_eq!(
            complete_after(vec![stream(None, &[2, 3])], Some(since)),
            [NOTHING_COMPLETE],
            "the stream was trimmed"
        );
        assert_eq!(
            complete_after(vec![stream(Some(id(2, 1)), &[])], Some(id(2, 1))),
            [NOTHING_COMPLETE],
            "the line is from before the recording"
        );
    }

    #[test]
    fn another_channel_is_complete_if_it_reaches_back_or_never_had_a_line() {
        let since = id(5, 1);
        let silent = LoadedStream { exists: false, anchor: None, lines: Vec::new() };
        let streams =
            vec![stream(Some(since), &[]), stream(Some(id(4, 0)), &[2]), silent, stream(None, &[4])];
        assert_eq!(complete_after(streams, Some(since)), [since, since, since, NOTHING_COMPLETE]);
    }

    #[test]
    fn the_last_lines_are_complete_from_the_first_of_them_on() {
        let streams = vec![stream(None, &[4, 5]), stream(None, &[])];
        assert_eq!(complete_after(streams, None), [id(5, 3), id(9, 0)]);
    }

    #[test]
    fn without_its_state_nothing_of_the_recording_is_complete() {
        let loaded = LoadedHistory::parse(vec!["0".into(), "0".into()]).ok().unwrap();
        assert_eq!(loaded.complete_since, NOTHING_COMPLETE);
    }
}
