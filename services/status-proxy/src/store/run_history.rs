//! The recorded history of all channels of a run.

use std::sync::Arc;

use fred::clients::Client;
use fred::interfaces::SortedSetsInterface;
use futures_util::future::try_join_all;
use redis_core::{ErrorClass, RedisError};

use super::history::HistoryStore;
use super::page::{NOTHING_COMPLETE, RecordedSpan, StoredPage};
use crate::line::{Line, LineId};
use crate::resume::{StoredLines, StoredStart};
use crate::run_channels::{is_status_channel, run_name};

/// The most channels of a run that are read for it. Of a run with more, nothing recorded is found.
const MAX_CHANNELS: usize = 256;

/// A channel and something of it.
type Of<T> = (Arc<str>, T);

impl HistoryStore {
    /// The channels of a run that have a stream. `None`: they are not all known, or too many.
    pub(super) async fn run_channels(&self, run: &str) -> Result<Option<Vec<Arc<str>>>, RedisError> {
        let key = &self.list(run);
        let read = |client: Client| async move {
            client.zrange(key.as_str(), 0, MAX_CHANNELS as i64, None, false, None, false).await
        };
        let names: Vec<String> = match self.redis.run(key, read).await {
            Err(error) if ErrorClass::of(&error).is_invalid() => return Ok(None),
            names => names?,
        };
        let is_known = names.len() <= MAX_CHANNELS && !names.iter().any(String::is_empty);
        // Anything else is not of a recorder.
        let channels = names.iter().filter(|name| is_status_channel(name) && run_name(name) == run);
        Ok(is_known.then(|| channels.map(|name| name.as_str().into()).collect()))
    }

    /// Loads the recorded lines of the run after this one: as many as have about so many bytes.
    pub(super) async fn run_page(
        &self,
        run: &str,
        after: LineId,
        bytes: usize,
    ) -> Result<StoredPage, RedisError> {
        // In this order: every line that the span says is recorded is on one of the pages.
        let span = self.recorded_span(run).await?.of_run();
        let channels = self.run_channels(run).await?;
        let span = if channels.is_some() { span } else { RecordedSpan::parse(&[]) };
        let channels = channels.unwrap_or_default();
        let bytes = bytes.div_ceil(channels.len().max(1));
        Ok(merge(span, after, self.run_pages(channels, after, bytes).await?))
    }

    /// What the recording proves to a client that has seen the line `since` of the run.
    pub(crate) async fn run_start_after(&self, run: &str, since: LineId) -> Result<StoredStart, RedisError> {
        let span = self.recorded_span(run).await?.of_run();
        let channels = self.run_channels(run).await?.unwrap_or_default();
        let pages: Vec<StoredPage> =
            self.run_pages(channels, since, 0).await?.into_iter().map(|(_, page)| page).collect();
        // A channel that is not listed any more had its last line before this epoch.
        let is_listed = pages.iter().all(|page| since.epoch >= page.kept_since);
        let starts = StoredPage::starts_after(since, &pages);
        let complete_after = starts.iter().map(|start| start.complete_after).max();
        let is_complete = complete_after == Some(since) && is_listed && since >= span.since;
        Ok(StoredStart {
            complete_after: if is_complete { since } else { NOTHING_COMPLETE },
            complete_until: span.until,
            exists: !pages.is_empty(),
            last: None,
        })
    }

    /// What the recording has for a client that asks for the last lines of the run.
    pub(crate) async fn run_start_at_last(&self, run: &str, count: usize) -> Result<StoredStart, RedisError> {
        let span = self.recorded_span(run).await?.of_run();
        let channels = self.run_channels(run).await?.unwrap_or_default();
        let ids = try_join_all(channels.iter().map(|channel| self.last_ids(channel, count))).await?;
        let last = last_of_all(&ids, count, span.until);
        let mut start = span.start_at_last(last);
        if let Some(StoredLines { oldest, .. }) = last {
            let pages = self.run_pages(channels, oldest.previous(), 0).await?;
            // The channel of the oldest line needs no line before that.
            let is_complete = pages.iter().zip(&ids).all(|((_, page), ids)| {
                oldest.epoch >= page.kept_since && (page.anchor.is_some() || ids.contains(&oldest))
            });
            if !is_complete {
                start.complete_after = NOTHING_COMPLETE;
            }
        }
        Ok(start)
    }

    async fn run_pages(
        &self,
        channels: Vec<Arc<str>>,
        after: LineId,
        bytes: usize,
    ) -> Result<Vec<Of<StoredPage>>, RedisError> {
        try_join_all(channels.into_iter().map(async |channel| {
            let page = self.channel_page(&channel, after, bytes).await?;
            Ok((channel, page))
        }))
        .await
    }
}

/// The last `count` lines of several channels before `until`.
fn last_of_all(ids: &[Vec<LineId>], count: usize, until: LineId) -> Option<StoredLines> {
    let mut all: Vec<LineId> = ids.iter().flatten().copied().filter(|id| *id < until).collect();
    all.sort_unstable();
    let last = &all[all.len().saturating_sub(count)..];
    Some(StoredLines { count: last.len(), oldest: *last.first()?, newest: *last.last()? })
}

/// One page of several channels' pages after a line, each of which was read after `span`.
fn merge(span: RecordedSpan, after: LineId, pages: Vec<Of<StoredPage>>) -> StoredPage {
    // Of a channel whose page does not reach to its end, nothing is known after that page.
    let known_until = pages.iter().filter(|(_, page)| !page.is_end).map(|(_, page)| page.next).min();
    // Nor of a channel that had its first line in an epoch that is not over.
    let is_known = |id: LineId| id < span.until && known_until.is_none_or(|known_until| id <= known_until);
    let missing = pages.iter().filter_map(|(_, page)| match page.exists {
        true => page.missing_until(after, true),
        false => (!page.has_all_after(after)).then_some(span.until),
    });
    let missing = missing.max();
    let (exists, kept_since) = (!pages.is_empty(), pages.iter().map(|(_, page)| page.kept_since).max());
    let mut all: Vec<(Line, Arc<str>)> = pages
        .into_iter()
        .flat_map(|(channel, page)| page.lines.into_iter().map(move |line| (line, channel.clone())))
        .filter(|(line, _)| is_known(line.id))
        .collect();
    all.sort_unstable_by_key(|(line, _)| line.id);
    let (lines, channels): (Vec<Line>, Vec<Arc<str>>) = all.into_iter().unzip();
    let last = lines.last().map_or(after, |line| line.id);
    let is_end = known_until.is_none_or(|known_until| known_until >= span.until);
    StoredPage {
        span,
        exists,
        anchor: Some(after),
        next: if is_end { last } else { known_until.unwrap_or(last) },
        lines,
        channels,
        missing,
        kept_since: kept_since.unwrap_or_default(),
        is_end,
    }
}

#[cfg(test)]
mod tests {
    use super::super::page::test_page;
    use super::*;

    fn id(sequence: u64) -> LineId {
        LineId { epoch: 5, sequence }
    }

    fn of_run(after: u64, pages: Vec<(&str, StoredPage)>) -> StoredPage {
        let span = test_page(None, &[], true).span;
        merge(span, id(after), pages.into_iter().map(|(name, page)| (name.into(), page)).collect())
    }

    fn lines(page: &StoredPage) -> Vec<String> {
        let name = |(index, line): (usize, &Line)| format!("{} {}", page.channels[index], line.id.sequence);
        page.lines.iter().enumerate().map(name).collect()
    }

    #[test]
    fn the_lines_of_all_channels_come_in_order_as_far_as_each_is_known() {
        let a = || test_page(Some(id(1)), &[2, 4, 7], true);
        let page = of_run(1, vec![("r:a", a()), ("r:b", test_page(Some(id(0)), &[3, 5], false))]);
        assert_eq!(lines(&page), ["r:a 2", "r:b 3", "r:a 4", "r:b 5"]);
        assert_eq!((page.next, page.is_end), (id(5), false));
        assert_eq!(page.missing_until(id(1), true), None);
        let page = of_run(1, vec![("r:a", a())]);
        assert_eq!((lines(&page).len(), page.next, page.is_end), (3, id(7), true));
    }

    #[test]
    fn lines_of_an_epoch_that_is_not_over_wait() {
        let mut a = test_page(Some(id(1)), &[2], true);
        a.lines.push(crate::line::test_line(9, 1));
        assert_eq!(lines(&of_run(1, vec![("r:a", a)])), ["r:a 2"]);
    }

    #[test]
    fn what_one_of_the_channels_has_dropped_is_missing_in_the_run() {
        let a = || ("r:a", test_page(Some(id(1)), &[2], true));
        let trimmed = ("r:b", test_page(None, &[9], true));
        assert_eq!(of_run(1, vec![a(), trimmed]).missing_until(id(1), true), Some(id(8)));
        let gone =
            |kept_since| ("r:b", StoredPage { exists: false, kept_since, ..test_page(None, &[], true) });
        assert_eq!(of_run(1, vec![a(), gone(5)]).missing_until(id(1), true), None);
        assert_eq!(of_run(1, vec![a(), gone(6)]).missing_until(id(1), true), Some(LineId::start_of(9)));
    }

    #[test]
    fn the_last_lines_of_a_run_are_those_of_all_its_channels() {
        let ids = [vec![id(9), id(8), id(2)], vec![id(7), id(3)], vec![]];
        let last = |count| last_of_all(&ids, count, LineId::start_of(9));
        assert_eq!(last(3), Some(StoredLines { count: 3, oldest: id(7), newest: id(9) }));
        assert_eq!(last(9), Some(StoredLines { count: 5, oldest: id(2), newest: id(9) }));
        assert_eq!(last_of_all(&[], 3, id(9)), None);
    }
}
