//! How far a viewer that catches up has got in one channel.

use std::sync::Arc;

use crate::line::{Line, LineId};
use crate::resume::Start;
use crate::store::{RecordedSpan, StoredPage};

/// See [the module](self). Its lines come from the recorded history until the replay buffer has all that follow.
pub(super) struct ChannelProgress {
    /// The viewer has every line up to this one that it wants.
    after: LineId,
    /// So many of the next lines are left out.
    skip: usize,
    /// It has been told that lines up to this one may be missing.
    told: LineId,
    /// It has been told that lines may be missing right before this one, from which on the recording is complete.
    told_before: LineId,
    /// It was told that what it asks for is not there, and has had no line since: what is missing before that line is a part of it.
    is_warned: bool,
    /// The channel has a recorded history.
    is_recorded: bool,
    /// It has been seen to have a stream there.
    existed: bool,
    /// The place in the recorded history, while that is read.
    place: Option<RecordedPlace>,
    /// That has been read to its end, and has not all lines up to this one.
    unrecorded: LineId,
}

/// A place in the recorded history.
struct RecordedPlace {
    /// The page begins after this line.
    after: LineId,
    /// `None`: it has to be read.
    page: Option<Arc<StoredPage>>,
    /// The next of its lines.
    index: usize,
}

/// Where the next line is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next<'a> {
    /// In the page after this line, which has to be read.
    Page(LineId),
    /// In the recorded history. The channel is named where it is one of all channels of a run.
    Recorded(Option<&'a Arc<str>>, &'a Line),
    /// In the replay buffer, after this one.
    Buffered(LineId),
}

impl RecordedPlace {
    fn after(after: LineId) -> Self {
        Self { after, page: None, index: 0 }
    }

    fn line(&self) -> Option<&Line> {
        self.page.as_ref()?.lines.get(self.index)
    }

    fn channel(&self) -> Option<&Arc<str>> {
        self.page.as_ref()?.channel(self.index)
    }

    /// If all that is recorded has been read: what that is. Goes on to the next page otherwise.
    fn end(&mut self, latest: LineId) -> Option<RecordedSpan> {
        let page = self.page.as_ref()?;
        match self.line() {
            Some(line) if line.id <= latest => None,
            // Only an empty page proves that nothing has been recorded since.
            None if !page.is_end || !page.lines.is_empty() => {
                *self = Self::after(page.next);
                None
            }
            // A line after `latest` is about to be received.
            Some(_) | None => Some(page.span),
        }
    }
}

impl ChannelProgress {
    /// `existed`: the channel is known to have a stream; `is_recorded`: it may have one.
    pub(super) fn new(start: Start, is_recorded: bool, existed: bool) -> Self {
        let Start { after, skip, recovered } = start;
        Self {
            after,
            skip,
            told: after,
            told_before: LineId::default(),
            is_warned: !recovered,
            is_recorded,
            existed,
            place: None,
            unrecorded: LineId::default(),
        }
    }

    /// Adds the page that was read. Returns `true` if lines may be missing before it, and the viewer has to be told.
    pub(super) fn add_page(&mut self, after: LineId, page: Arc<StoredPage>, latest: LineId) -> bool {
        let Some(place) = self.place.as_mut().filter(|place| place.after == after) else { return false };
        let missing_until = page.missing_until(after, self.existed);
        let since = page.span.since;
        let has_older = page.lines.first().is_some_and(|line| line.id < since);
        self.existed |= page.exists;
        (place.page, place.index) = (Some(page), 0);
        let must_tell = missing_until.is_some_and(|until| self.must_tell(until.min(latest)));
        if must_tell && !has_older {
            self.told_before = since;
        }
        must_tell
    }

    /// Goes on to where the next line is. Returns `true` if lines may be missing before it, and the viewer has to be told.
    pub(super) fn go_on(&mut self, complete_after: LineId, latest: LineId) -> bool {
        if self.after >= complete_after {
            self.place = None;
            return false;
        }
        if self.is_recorded && self.place.is_none() && self.unrecorded < complete_after {
            self.place = Some(RecordedPlace::after(self.after));
        }
        if let Some(place) = &mut self.place {
            let Some(recorded) = place.end(latest) else {
                let next =
                    place.page.as_ref().map(|page| page.span.since).zip(place.line().map(|line| line.id));
                return next.is_some_and(|(since, next)| self.must_tell_before(since, next));
            };
            self.place = None;
            if complete_after <= recorded.until {
                let must_tell = self.must_tell_before(recorded.since, recorded.until);
                self.after = complete_after;
                return must_tell;
            }
            self.unrecorded = complete_after;
        }
        self.must_tell(complete_after)
    }

    /// Where the next line is, after [`go_on`](Self::go_on).
    pub(super) fn next(&self) -> Next<'_> {
        match &self.place {
            Some(place) => match place.line() {
                Some(line) => Next::Recorded(place.channel(), line),
                None => Next::Page(place.after),
            },
            None => Next::Buffered(self.after),
        }
    }

    /// The viewer has got the next line, or does not want it. Returns whether it wants it.
    pub(super) fn take(&mut self, id: LineId) -> bool {
        self.after = self.after.max(id);
        if let Some(place) = &mut self.place {
            place.index += 1;
        }
        let is_wanted = self.skip == 0;
        self.skip = self.skip.saturating_sub(1);
        self.is_warned &= !is_wanted;
        is_wanted
    }

    /// Nobody recorded for a while before `since`, and the next line is `next` or a later one. Whether the viewer has to be told
    /// here: if it has got older lines, it was told before those.
    fn must_tell_before(&mut self, since: LineId, next: LineId) -> bool {
        let is_here = self.after < since && since <= next;
        if self.is_warned || !is_here || since <= self.told_before {
            return false;
        }
        self.told_before = since;
        true
    }

    /// Whether the viewer does not know yet that lines up to this one may be missing here.
    fn must_tell(&mut self, until: LineId) -> bool {
        if self.is_warned || until <= self.told {
            return false;
        }
        self.told = until;
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::line::test_line;
    use crate::replay_buffer::{ReplayBuffer, Retention};
    use crate::store::test_page;

    const LATEST: LineId = LineId { epoch: 5, sequence: 100 };

    fn id(sequence: u64) -> LineId {
        LineId { epoch: 5, sequence }
    }

    fn buffer(complete_after: u64, sequences: std::ops::RangeInclusive<u64>) -> ReplayBuffer {
        let mut buffer = ReplayBuffer::new(id(complete_after));
        let retention = Retention { lines: 100, bytes: 1000, age: Duration::from_secs(60) };
        sequences.for_each(|sequence| buffer.push(test_line(5, sequence), Instant::now(), retention));
        buffer
    }

    fn progress(after: u64, skip: usize, recovered: bool) -> ChannelProgress {
        ChannelProgress::new(Start { after: id(after), skip, recovered }, true, true)
    }

    /// What the viewer gets until it needs a page or has all: lines, and 0 for a gap.
    fn taken(progress: &mut ChannelProgress, buffer: &ReplayBuffer) -> (Vec<u64>, Option<LineId>) {
        let mut taken = Vec::new();
        loop {
            if progress.go_on(buffer.complete_after(), LATEST) {
                taken.push(0);
            }
            let id = match progress.next() {
                Next::Page(after) => return (taken, Some(after)),
                Next::Recorded(_, line) => line.id,
                Next::Buffered(after) => match buffer.lines_after(after).next() {
                    Some(line) => line.id,
                    None => return (taken, None),
                },
            };
            if progress.take(id) {
                taken.push(id.sequence);
            }
        }
    }

    fn add(progress: &mut ChannelProgress, after: u64, anchor: u64, sequences: &[u64], is_end: bool) -> bool {
        let page = Arc::new(test_page(Some(id(anchor)), sequences, is_end));
        progress.add_page(id(after), page, LATEST)
    }

    #[test]
    fn lines_come_from_pages_until_the_buffer_has_the_rest_and_each_once() {
        let buffer = buffer(4, 5..=7);
        let mut viewer = progress(1, 1, true);
        assert_eq!(taken(&mut viewer, &buffer), (vec![], Some(id(1))));
        assert!(!add(&mut viewer, 1, 1, &[2, 3], false));
        assert_eq!(taken(&mut viewer, &buffer), (vec![3], Some(id(3))), "the first is left out");
        assert!(!add(&mut viewer, 3, 3, &[4, 5, 6], true));
        assert_eq!(taken(&mut viewer, &buffer), (vec![4, 5, 6, 7], None));
    }

    #[test]
    fn a_viewer_that_the_buffer_has_left_behind_goes_back_to_the_recording() {
        let mut buffer = buffer(0, 1..=3);
        let mut viewer = progress(0, 0, true);
        assert_eq!(taken(&mut viewer, &buffer), (vec![1, 2, 3], None));
        for sequence in 4..=9 {
            let retention = Retention { lines: 2, bytes: 1000, age: Duration::from_secs(60) };
            buffer.push(test_line(5, sequence), Instant::now(), retention);
        }
        assert_eq!(taken(&mut viewer, &buffer), (vec![], Some(id(3))));
        assert!(!add(&mut viewer, 3, 3, &[4, 5, 6, 7], true));
        assert_eq!(taken(&mut viewer, &buffer), (vec![4, 5, 6, 7, 8, 9], None));
    }

    #[test]
    fn what_neither_has_is_told_once_as_a_gap() {
        let mut buffer = buffer(6, 7..=8);
        let mut viewer = progress(1, 0, true);
        taken(&mut viewer, &buffer);
        assert!(viewer.add_page(id(1), Arc::new(test_page(None, &[3], true)), LATEST), "2 was dropped");
        assert_eq!(taken(&mut viewer, &buffer), (vec![3], Some(id(3))));
        let mut unrecorded = test_page(Some(id(3)), &[], true);
        unrecorded.span.until = id(4);
        assert!(!viewer.add_page(id(3), Arc::new(unrecorded), LATEST));
        assert_eq!(taken(&mut viewer, &buffer), (vec![0, 7, 8], None));
        buffer.mark_gap(id(9));
        assert_eq!(taken(&mut viewer, &buffer), (vec![], Some(id(8))));
    }

    #[test]
    fn a_line_that_was_received_without_its_number_comes_with_that_of_the_recording() {
        let mut buffer = buffer(0, 1..=2);
        let retention = Retention { lines: 9, bytes: 1000, age: Duration::from_secs(60) };
        buffer.mark_gap(LineId::start_of(6));
        buffer.push(test_line(5, crate::line::FIRST_LOCAL_SEQUENCE), Instant::now(), retention);
        buffer.push(test_line(6, 1), Instant::now(), retention);
        let latest = LineId { epoch: 6, sequence: 1 };
        let mut viewer = progress(1, 0, true);
        let mut read = |after, sequences: &[u64]| {
            let (lines, wanted) = taken(&mut viewer, &buffer);
            assert_eq!(wanted, Some(id(after)));
            assert!(!viewer.add_page(
                id(after),
                Arc::new(test_page(Some(id(after)), sequences, true)),
                latest
            ));
            lines
        };
        assert_eq!((read(1, &[2, 3, 4]), read(4, &[])), (vec![], vec![2, 3, 4]));
        assert_eq!(taken(&mut viewer, &buffer), (vec![1], None));
    }

    #[test]
    fn a_viewer_that_knows_of_a_gap_is_not_told_of_it_again() {
        let buffer = buffer(6, 7..=8);
        let mut viewer = progress(1, 0, false);
        taken(&mut viewer, &buffer);
        assert!(!viewer.add_page(id(1), Arc::new(test_page(None, &[3], true)), LATEST));
        assert_eq!(taken(&mut viewer, &buffer), (vec![3], Some(id(3))));
        assert!(!add(&mut viewer, 3, 3, &[], true));
        assert_eq!(taken(&mut viewer, &buffer), (vec![7, 8], None));
    }

    #[test]
    fn a_viewer_that_knows_of_a_gap_is_told_of_one_that_comes_after_more_lines() {
        let buffer = buffer(6, 7..=8);
        let mut viewer = progress(1, 0, false);
        taken(&mut viewer, &buffer);
        assert!(!add(&mut viewer, 1, 1, &[2, 3], true));
        assert_eq!(taken(&mut viewer, &buffer), (vec![2, 3], Some(id(3))));
        let mut unrecorded = test_page(Some(id(3)), &[], true);
        unrecorded.span.until = id(4);
        assert!(!viewer.add_page(id(3), Arc::new(unrecorded), LATEST));
        assert_eq!(taken(&mut viewer, &buffer), (vec![0, 7, 8], None));
    }

    #[test]
    fn a_gap_is_told_again_where_nobody_recorded_if_there_are_older_lines() {
        let page = |sequences: &[u64], is_end| {
            let mut page = test_page(Some(id(1)), sequences, is_end);
            page.span.since = id(6);
            Arc::new(page)
        };
        for recovered in [false, true] {
            let buffer = buffer(8, 9..=9);
            let mut viewer = progress(1, 0, recovered);
            taken(&mut viewer, &buffer);
            assert_eq!(viewer.add_page(id(1), page(&[2, 3, 7, 8], true), LATEST), recovered, "else it knows");
            assert_eq!(taken(&mut viewer, &buffer), (vec![2, 3, 0, 7, 8, 9], None));

            let mut viewer = progress(1, 0, recovered);
            taken(&mut viewer, &buffer);
            viewer.add_page(id(1), page(&[7, 8], true), LATEST);
            assert_eq!(taken(&mut viewer, &buffer), (vec![7, 8, 9], None), "told before the first line");

            let buffer = self::buffer(6, 7..=7);
            let mut viewer = progress(1, 0, recovered);
            taken(&mut viewer, &buffer);
            viewer.add_page(id(1), page(&[2, 3], true), LATEST);
            assert_eq!(taken(&mut viewer, &buffer), (vec![2, 3], Some(id(3))));
            assert!(viewer.add_page(id(3), page(&[], true), LATEST), "the buffer has the rest");
            assert_eq!(taken(&mut viewer, &buffer), (vec![7], None));
        }
    }

    #[test]
    fn without_a_recording_a_viewer_is_told_of_what_the_buffer_dropped_before_it_took_it() {
        let mut buffer = buffer(0, 1..=9);
        let start = Start { after: id(2), skip: 0, recovered: false };
        let mut viewer = ChannelProgress::new(start, false, false);
        assert!(!viewer.go_on(buffer.complete_after(), LATEST) && viewer.take(id(3)));
        let retention = Retention { lines: 3, bytes: 1000, age: Duration::from_secs(60) };
        buffer.push(test_line(5, 10), Instant::now(), retention);
        assert_eq!(taken(&mut viewer, &buffer), (vec![0, 8, 9, 10], None));
    }
}
