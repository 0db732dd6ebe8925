//! A page of a channel's recorded lines: the reply of `load.lua`, and what it proves.

use std::sync::Arc;

use fred::types::Value;
use redis_core::RedisError;

use crate::line::{Line, LineId};
use crate::resume::{StoredLines, StoredStart};

/// The bytes of a page, about: those of its texts, and some for each line.
pub(crate) const PAGE_BYTES: usize = 256 * 1024;

/// The recorded lines of a channel after a certain one, oldest first.
#[derive(Debug)]
pub(crate) struct StoredPage {
    pub(crate) span: RecordedSpan,
    /// The channel has a stream.
    pub(crate) exists: bool,
    /// The last entry that is not after the line that was asked for.
    anchor: Option<LineId>,
    pub(crate) lines: Vec<Line>,
    /// No further line was recorded when this was read.
    pub(crate) is_end: bool,
    /// The next page begins after this one.
    pub(crate) next: LineId,
}

/// Every line from here on, and before `until`, is recorded. Older ones of a channel may have been dropped since.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RecordedSpan {
    pub(crate) since: LineId,
    pub(crate) until: LineId,
}

/// No line is proven to be complete: no id is greater than this one.
const NOTHING_COMPLETE: LineId = LineId { epoch: u64::MAX, sequence: u64::MAX };

impl RecordedSpan {
    pub(super) fn new(until: &Value, since: &Value) -> Self {
        let epoch = |value: &Value| LineId::start_of(value.as_u64().unwrap_or(0));
        let until = epoch(until);
        // Without its state, nobody knows when the lines were recorded.
        let since = if until == LineId::default() { NOTHING_COMPLETE } else { epoch(since) };
        Self { since, until }
    }

    /// What this proves, read before the last lines of a channel were found, to a client that asks for them.
    pub(crate) fn start_at_last(self, last: Option<StoredLines>) -> StoredStart {
        let first = last.map_or(self.until, |lines| lines.oldest);
        StoredStart {
            complete_after: first.previous().max(self.since),
            complete_until: self.until,
            exists: last.is_some(),
            last,
        }
    }
}

impl StoredPage {
    /// Parses a reply.
    ///
    /// # Errors
    /// If it is none of `load.lua`.
    pub(super) fn parse(reply: Value) -> Result<Self, RedisError> {
        let (until, since, exists, anchor, is_end, next, entries): (
            Value,
            Value,
            bool,
            String,
            bool,
            String,
            Vec<Value>,
        ) = reply.convert()?;
        let line = |pair: &[Value]| Some(Line { id: pair[0].as_str()?.parse().ok()?, text: text(&pair[1]) });
        Ok(Self {
            span: RecordedSpan::new(&until, &since),
            exists,
            anchor: anchor.parse().ok(),
            lines: entries.chunks_exact(2).filter_map(line).collect(),
            is_end,
            next: next.parse().unwrap_or_default(),
        })
    }

    /// The bytes that it takes in memory, about.
    pub(crate) fn size(&self) -> usize {
        256 + self.lines.iter().map(|line| line.text.len() + 64).sum::<usize>()
    }

    /// Up to where lines after `after` may be missing in it. `existed`: the channel had a stream before.
    pub(crate) fn missing_until(&self, after: LineId, existed: bool) -> Option<LineId> {
        let is_anchored = self.anchor.is_some() || !(self.exists || existed);
        if is_anchored && self.span.since <= after {
            return None;
        }
        let first = self.lines.first().map_or(self.span.until, |line| line.id.previous());
        let until = if self.span.since > after { first.max(self.span.since) } else { first };
        (until > after).then_some(until)
    }

    /// What pages of some channels, all after the line `since`, prove to a client that has seen it.
    pub(crate) fn starts_after(since: LineId, pages: &[Self]) -> Vec<StoredStart> {
        // It is a line of one of the channels. If none of the streams has it any more, lines after it may be gone too.
        let is_anchored = pages.iter().any(|page| page.anchor == Some(since));
        let is_complete =
            |page: &Self| since >= page.span.since && is_anchored && (!page.exists || page.anchor.is_some());
        let start = |page| StoredStart {
            complete_after: if is_complete(page) { since } else { NOTHING_COMPLETE },
            complete_until: page.span.until,
            exists: page.exists,
            last: None,
        };
        pages.iter().map(start).collect()
    }
}

/// The text of a published or recorded line. Bytes that are not UTF-8 become U+FFFD.
pub(super) fn text(value: &Value) -> Arc<str> {
    match value {
        Value::String(text) => Arc::from(&**text),
        other => String::from_utf8_lossy(other.as_bytes().unwrap_or_default()).into(),
    }
}

/// A page for tests: lines 5-1, 5-2 and so on.
#[cfg(test)]
pub(crate) fn test_page(anchor: Option<LineId>, sequences: &[u64], is_end: bool) -> StoredPage {
    let lines: Vec<Line> = sequences.iter().map(|sequence| crate::line::test_line(5, *sequence)).collect();
    StoredPage {
        span: RecordedSpan { since: LineId::start_of(3), until: LineId::start_of(9) },
        exists: true,
        anchor,
        next: lines.last().map_or(LineId::default(), |line| line.id),
        lines,
        is_end,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(epoch: u64, sequence: u64) -> LineId {
        LineId { epoch, sequence }
    }

    fn complete_after(since: LineId, pages: &[StoredPage]) -> Vec<LineId> {
        StoredPage::starts_after(since, pages).iter().map(|start| start.complete_after).collect()
    }

    #[test]
    fn lines_after_an_id_are_complete_as_long_as_its_line_is_recorded() {
        let since = id(5, 1);
        let page = |anchor| [test_page(anchor, &[2, 3], true)];
        assert_eq!(complete_after(since, &page(Some(since))), [since]);
        assert_eq!(complete_after(since, &page(Some(id(5, 0)))), [NOTHING_COMPLETE], "the line is gone");
        assert_eq!(complete_after(since, &page(None)), [NOTHING_COMPLETE], "the stream was trimmed");
        let early = id(2, 1);
        assert_eq!(
            complete_after(early, &[test_page(Some(early), &[], true)]),
            [NOTHING_COMPLETE],
            "the line is from before the recording"
        );
    }

    #[test]
    fn another_channel_is_complete_if_it_reaches_back_or_never_had_a_line() {
        let since = id(5, 1);
        let silent = StoredPage { exists: false, ..test_page(None, &[], true) };
        let pages = [
            test_page(Some(since), &[], true),
            test_page(Some(id(4, 0)), &[2], true),
            silent,
            test_page(None, &[4], true),
        ];
        assert_eq!(complete_after(since, &pages), [since, since, since, NOTHING_COMPLETE]);
    }

    #[test]
    fn the_last_lines_are_complete_from_the_first_of_them_on() {
        let span = test_page(None, &[], true).span;
        let last = StoredLines { count: 2, oldest: id(5, 4), newest: id(5, 5) };
        assert_eq!(span.start_at_last(Some(last)).complete_after, id(5, 3));
        assert_eq!(span.start_at_last(None).complete_after, id(9, 0));
    }

    #[test]
    fn lines_that_were_dropped_between_two_pages_are_known_to_be_missing() {
        let missing = |page: StoredPage, existed| page.missing_until(id(5, 3), existed);
        assert_eq!(missing(test_page(Some(id(5, 3)), &[4], true), true), None);
        assert_eq!(missing(test_page(None, &[4], true), true), None, "only lines before it were dropped");
        assert_eq!(missing(test_page(None, &[6], true), true), Some(id(5, 5)));
        let gone = || StoredPage { exists: false, ..test_page(None, &[], true) };
        assert_eq!(missing(gone(), true), Some(id(9, 0)));
        assert_eq!(missing(gone(), false), None);
        let span = RecordedSpan { since: id(6, 0), until: id(9, 0) };
        let resumed = StoredPage { span, ..test_page(Some(id(5, 3)), &[4], true) };
        assert_eq!(missing(resumed, true), Some(id(6, 0)), "the recording was interrupted");
    }

    #[test]
    fn without_its_state_nothing_of_the_recording_is_complete() {
        assert_eq!(RecordedSpan::new(&"0".into(), &"0".into()).since, NOTHING_COMPLETE);
    }
}
