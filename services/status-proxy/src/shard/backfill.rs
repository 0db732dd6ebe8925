//! A viewer that gets the lines before its live ones, a piece at a time.

use std::sync::Arc;

use bytes::BytesMut;
use tokio_util::sync::DropGuard;
use ws_server::Client;

use super::buffered_lines::BufferedLines;
use super::channel_map::ChannelMap;
use super::channel_progress::{ChannelProgress, Next};
use super::command::ReadPage;
use crate::frame::FrameFormat;
use crate::line::{Line, LineId};
use crate::run_channels::RunChannels;

/// The bytes of a piece, and a line more: the next one is sent when the client has taken this one.
const PIECE_BYTES: usize = 64 * 1024;

/// See [the module](self).
pub(super) struct Backfill {
    pub(super) client: Client,
    pub(super) channels: RunChannels,
    pub(super) format: FrameFormat,
    /// One for each channel.
    pub(super) progress: Vec<ChannelProgress>,
    /// Tells the client's session when this has ended.
    pub(super) _end: Option<DropGuard>,
}

/// What has to happen after a piece.
pub(super) enum After {
    /// Nothing: the viewer has all lines up to now.
    Complete,
    /// The client has to take the piece.
    Taken,
    /// Pages have to be read, each after a line of a channel.
    Pages(Vec<(Arc<str>, LineId)>),
}

impl Backfill {
    /// Adds pages that were read. The client is told where lines may be missing before them.
    pub(super) fn add_pages(&mut self, out: &mut BytesMut, pages: Vec<ReadPage>, latest: LineId) {
        for ReadPage { channel, after, page } in pages {
            // Meanwhile the client may have ended this channel.
            let index = self.channels.channels().position(|name| *name == *channel);
            let progress = index.and_then(|index| self.progress.get_mut(index));
            if progress.is_some_and(|progress| progress.add_page(after, page, latest)) {
                self.format.encode_gap(out, &channel);
            }
        }
    }

    /// Appends the next lines, in the order of their ids.
    pub(super) fn push_lines(&mut self, out: &mut BytesMut, channels: &ChannelMap, latest: LineId) -> After {
        let complete: Vec<LineId> =
            self.channels.channels().map(|channel| channels.complete_after(channel)).collect();
        let mut buffered: Vec<Option<BufferedLines>> = self.progress.iter().map(|_| None).collect();
        while out.len() < PIECE_BYTES {
            let mut wanted = Vec::new();
            let mut first: Option<(usize, &str, Option<Arc<str>>, Line)> = None;
            for (index, (channel, progress)) in self.channels.channels().zip(&mut self.progress).enumerate() {
                if progress.go_on(complete[index], latest) {
                    self.format.encode_gap(out, channel);
                }
                let next = match progress.next() {
                    Next::Page(after) => {
                        wanted.push((channel.into(), after));
                        continue;
                    }
                    Next::Recorded(name, line) => Some((name, line)),
                    Next::Buffered(after) => buffered[index]
                        .get_or_insert_with(|| BufferedLines::new(channels.buffers(channel), after))
                        .peek()
                        .map(|(name, line)| (Some(name), line)),
                };
                if let Some((name, line)) = next
                    && first.as_ref().is_none_or(|(_, _, _, first)| line.id < first.id)
                {
                    first = Some((index, channel, name.cloned(), line.clone()));
                }
            }
            if !wanted.is_empty() {
                return After::Pages(wanted);
            }
            let Some((index, channel, name, line)) = first else { return After::Complete };
            if let Some(lines) = &mut buffered[index] {
                lines.skip_one();
            }
            if self.progress[index].take(line.id) {
                self.format.encode_status(out, name.as_deref().unwrap_or(channel), &line);
            }
        }
        After::Taken
    }

    /// The client wants only these of its channels. Returns the others, if there are any.
    pub(super) fn narrow(&mut self, channels: RunChannels) -> Option<RunChannels> {
        let stays = |name: &str| channels.channels().any(|other| other == name);
        let mut names = self.channels.channels();
        self.progress.retain(|_| names.next().is_some_and(stays));
        drop(names);
        let ended = self.channels.only(|name| !stays(name));
        self.channels = channels;
        ended
    }
}
