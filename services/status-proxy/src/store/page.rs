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
    pub(super) anchor: Option<LineId>,
    pub(crate) lines: Vec<Line>,
    /// In a page of all channels of a run: the channel of each line.
    pub(super) channels: Vec<Arc<str>>,
    /// In a page of all channels of a run: up to where lines of one of them may be missing.
    pub(super) missing: Option<LineId>,
    /// A channel without a stream had no line from this epoch on.
    pub(super) kept_since: u64,
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
    /// Every channel with a line from here on is in the list of its run.
    pub(crate) listed_since: LineId,
}

/// No line is proven to be complete: no id is greater than this one.
pub(super) const NOTHING_COMPLETE: LineId = LineId { epoch: u64::MAX, sequence: u64::MAX };

impl RecordedSpan {
    /// Parses the fields `upto`, `complete`, `listed` and `listed_upto` as far as there are any.
    pub(super) fn parse(fields: &[Value]) -> Self {
        let epoch = |index: usize| fields.get(index).and_then(Value::as_u64).map(LineId::start_of);
        let until = epoch(0).unwrap_or_default();
        // Without its state, nobody knows when the lines were recorded.
        let is_known = until != LineId::default();
        let since = if is_known { epoch(1).unwrap_or_default() } else { NOTHING_COMPLETE };
        let are_listed = is_known && epoch(3) == Some(until);
        let listed_since = epoch(2).filter(|_| are_listed).unwrap_or(NOTHING_COMPLETE);
        Self { since, until, listed_since }
    }

    /// What is recorded of all channels of a run.
    pub(super) fn of_run(self) -> Self {
        Self { since: self.since.max(self.listed_since), ..self }
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
        let (until, since, exists, anchor, is_end, next, entries, kept_since): (
            Value,
            Value,
            bool,
            String,
            bool,
            String,
            Vec<Value>,
            u64,
        ) = reply.convert()?;
        let line = |pair: &[Value]| Some(Line { id: pair[0].as_str()?.parse().ok()?, text: text(&pair[1]) });
        Ok(Self {
            span: RecordedSpan::parse(&[until, since]),
            exists,
            anchor: anchor.parse().ok(),
            lines: entries.chunks_exact(2).filter_map(line).collect(),
            channels: Vec::new(),
            missing: None,
            kept_since,
            is_end,
            next: next.parse().unwrap_or_default(),
        })
    }

    /// The bytes that it takes in memory, about.
    pub(crate) fn size(&self) -> usize {
        256 + self.lines.iter().map(|line| line.text.len() + 64).sum::<usize>()
    }

    /// The channel of a line of a page of all channels of a run.
    pub(crate) fn channel(&self, index: usize) -> Option<&Arc<str>> {
        self.channels.get(index)
    }

    /// Up to where lines after `after` may be missing in it. `existed`: the channel had a stream before.
    pub(crate) fn missing_until(&self, after: LineId, existed: bool) -> Option<LineId> {
        let is_anchored = self.anchor.is_some() || !(self.exists || existed);
        if is_anchored && self.span.since <= after {
            return self.missing;
        }
        let first = self.lines.first().map_or(self.span.until, |line| line.id.previous());
        let until = if self.span.since > after { first.max(self.span.since) } else { first };
        (until > after).then_some(until).max(self.missing)
    }

    /// Whether no line of the channel after this one has been dropped.
    pub(super) fn has_all_after(&self, after: LineId) -> bool {
        if self.exists { self.anchor.is_some() } else { after.epoch >= self.kept_since }
    }

    /// What pages of some channels, all after the line `since`, prove to a client that has seen it.
    pub(crate) fn starts_after(since: LineId, pages: &[Self]) -> Vec<StoredStart> {
        // It is a line of one of the channels. If none of the streams has it any more, lines after it may be gone too.
        let is_anchored = pages.iter().any(|page| page.anchor == Some(since));
        let is_complete = |page: &Self| since >= page.span.since && is_anchored && page.has_all_after(since);
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
        span: RecordedSpan {
            since: LineId::start_of(3),
            until: LineId::start_of(9),
            listed_since: LineId::start_of(3),
        },
        exists: true,
        anchor,
        channels: Vec::new(),
        missing: None,
        kept_since: 4,
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
        let expired = StoredPage { exists: false, kept_since: 6, ..test_page(None, &[], true) };
        let pages = [test_page(Some(since), &[], true), expired];
        assert_eq!(
            complete_after(since, &pages),
            [since, NOTHING_COMPLETE],
            "it may have had a line since then"
        );
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
        let span = RecordedSpan { since: id(6, 0), until: id(9, 0), listed_since: id(6, 0) };
        let resumed = StoredPage { span, ..test_page(Some(id(5, 3)), &[4], true) };
        assert_eq!(missing(resumed, true), Some(id(6, 0)), "the recording was interrupted");
    }

    #[test]
    fn without_its_state_nothing_of_the_recording_is_complete() {
        assert_eq!(RecordedSpan::parse(&[]).since, NOTHING_COMPLETE);
        assert_eq!(RecordedSpan::parse(&["0".into(), "0".into()]).since, NOTHING_COMPLETE);
    }

    #[test]
    fn a_whole_run_is_complete_from_where_on_its_channels_are_listed() {
        let since = |fields: [&str; 4]| RecordedSpan::parse(&fields.map(Value::from)).of_run().since;
        assert_eq!(since(["9", "3", "5", "9"]), id(5, 0));
        assert_eq!(since(["9", "6", "5", "9"]), id(6, 0));
        assert_eq!(
            since(["9", "3", "5", "8"]),
            NOTHING_COMPLETE,
            "an earlier version has recorded since then"
        );
    }
}
