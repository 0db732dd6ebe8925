//! The commands to a shard.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio_util::sync::DropGuard;
use ws_server::Client;

use crate::line::{Line, LineId};
use crate::resume::{ResumeRequest, StoredStart};
use crate::run_channels::RunChannels;
use crate::store::StoredPage;
use crate::subscriptions::ChannelGuard;

/// A command to a shard.
pub(crate) enum ShardCommand {
    /// A line was published on the channel (`run:channel`).
    Publish(Arc<str>, Line),
    /// Lines of any channel up to this id may have been missed.
    Gap(LineId),
    /// The same of one channel.
    ChannelGap(Arc<str>, LineId),
    /// The lines up to this id that were missed have since been published to every subscribed channel.
    CaughtUp(LineId),
    Join(Box<JoinRequest>),
    /// A client that gets its history can take more, or these pages of it have been read.
    Backfill(ViewerId, Vec<ReadPage>),
    /// The client watches only these of its channels from here on.
    Narrow(ViewerId, RunChannels, Client),
    Leave(ViewerId),
    /// Sends the client a message between the lines.
    Notice(Client, Bytes),
    /// Answers with the channels, and when each had its last line, in epoch seconds.
    List(oneshot::Sender<Vec<(Arc<str>, Option<i128>)>>),
    /// Answers when all commands before it are carried out.
    Settle(oneshot::Sender<()>),
}

/// A client that starts to watch.
pub(crate) struct JoinRequest {
    pub(crate) viewer: ViewerId,
    pub(crate) client: Client,
    pub(crate) prepared: PreparedViewer,
    /// For a client that asked for it on an open socket: what it is told first. Every frame names its run then.
    pub(crate) notice: Option<Bytes>,
    /// Viewers of the same client that end with this.
    pub(crate) replaced: Vec<ViewerId>,
    /// Dropped when the client has got its history, if it asks for any.
    pub(crate) end: Option<DropGuard>,
}

/// What a client will watch, with all that had to be waited for.
pub(crate) struct PreparedViewer {
    pub(crate) channels: RunChannels,
    pub(crate) resume: ResumeRequest,
    /// One for each of the channels.
    pub(crate) subscriptions: Vec<ChannelSubscription>,
}

/// What a client brings for one of its channels.
pub(crate) struct ChannelSubscription {
    pub(crate) guard: ChannelGuard,
    /// What the channel's history in Redis has, if the client asks for history and it is kept there.
    pub(crate) stored: Option<StoredStart>,
}

/// A page of a channel, and after which line it begins.
pub(crate) struct ReadPage {
    pub(crate) channel: Arc<str>,
    pub(crate) after: LineId,
    pub(crate) page: Arc<StoredPage>,
}

/// A number that no other client of this process has.
pub(crate) type ViewerId = u64;

/// The bytes that a line counts for while it is queued.
pub(crate) fn queued_size(line: &Line) -> usize {
    line.text.len() + 64
}
