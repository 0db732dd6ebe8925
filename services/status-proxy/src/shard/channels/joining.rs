//! How a client becomes a viewer.

use bytes::BytesMut;

use super::Channels;
use crate::frame::FrameFormat;
use crate::resume::{ResumeRequest, StoredStart};
use crate::shard::backfill::{After, Backfill};
use crate::shard::channel_progress::ChannelProgress;
use crate::shard::command::{JoinRequest, PreparedViewer, ReadPage, ViewerId};

impl Channels {
    /// Lets a client watch from here on. One that asks for history gets that first.
    ///
    /// [`flush`](Self::flush) before this: otherwise the client also gets buffered lines, which are before it.
    pub(in crate::shard) fn join(&mut self, request: JoinRequest) {
        let JoinRequest { viewer, client, prepared, notice, replaced, end } = request;
        let PreparedViewer { channels, resume, subscriptions } = prepared;
        let format = FrameFormat {
            transport: client.transport(),
            with_ids: resume.is_some(),
            with_channel: channels.is_list(),
            with_run: notice.is_some(),
        };
        self.metrics.viewers.inc();
        let mut out = BytesMut::from(notice.unwrap_or_default());
        let mut progress = Vec::new();
        for (channel, subscription) in channels.channels().zip(subscriptions) {
            let complete_after = self.start_of_new(channel);
            let state = self.channels.get_or_insert(channel.into(), complete_after);
            state.guard.get_or_insert(subscription.guard);
            if resume.is_some() {
                state.backfills += 1;
                let (begin, recovered) = self.begin(channel, resume, subscription.stored.as_ref());
                format.encode_resume(&mut out, channel, recovered);
                progress.push(begin);
            }
        }
        if resume.is_some() {
            let backfill = Backfill { client, channels, format, progress, _end: end };
            self.advance(viewer, backfill, out);
        } else {
            if !out.is_empty() {
                client.send(&out.freeze());
            }
            self.watch(viewer, &channels, format, client);
        }
        replaced.into_iter().for_each(|viewer| self.leave(viewer));
    }

    /// Where a client begins in a channel, and whether it gets all that it asks for.
    fn begin(
        &self,
        channel: &str,
        resume: ResumeRequest,
        stored: Option<&StoredStart>,
    ) -> (ChannelProgress, bool) {
        let buffers = self.channels.buffers(channel).map(|(_, buffer)| buffer);
        let start = resume.start(buffers, stored, self.latest);
        self.metrics.count_resume(start.recovered);
        let is_recorded = self.waits.has_pages();
        let existed = stored.is_some_and(|stored| stored.exists);
        (ChannelProgress::new(start, is_recorded, existed), start.recovered)
    }

    /// A client that catches up can take more, or these pages have been read for it. [`flush`](Self::flush) before this.
    pub(in crate::shard) fn backfill(&mut self, viewer: ViewerId, pages: Vec<ReadPage>) {
        // It may have left.
        let Some(mut backfill) = self.backfills.remove(&viewer) else { return };
        let mut out = BytesMut::new();
        backfill.add_pages(&mut out, pages, self.latest);
        self.advance(viewer, backfill, out);
    }

    /// Sends a client its next lines, if it has taken the last ones. When it has got all, live lines follow.
    fn advance(&mut self, viewer: ViewerId, mut backfill: Backfill, mut out: BytesMut) {
        let after = if backfill.client.is_drained() {
            backfill.push_lines(&mut out, &self.channels, self.latest)
        } else {
            After::Taken
        };
        if !out.is_empty() {
            backfill.client.send(&out.freeze());
        }
        let client = backfill.client.clone();
        match after {
            After::Complete => {
                self.watch(viewer, &backfill.channels, backfill.format, client);
                self.end_backfill(&backfill.channels);
                return;
            }
            After::Taken => self.waits.wait_for_client(viewer, client),
            After::Pages(wanted) => self.waits.wait_for_pages(viewer, client, wanted),
        }
        self.backfills.insert(viewer, backfill);
    }
}
