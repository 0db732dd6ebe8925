//! The commands to a shard.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::oneshot;
use ws_server::Client;

use crate::line::{Line, LineId};
use crate::resume::{ResumeRequest, StoredHistory};
use crate::run_channels::RunChannels;
use crate::subscriptions::SubscriptionGuard;

/// A command to a shard.
pub(crate) enum ShardCommand {
    /// A line was published on the channel (`run:channel`).
    Publish(Arc<str>, Line),
    /// Lines of any channel up to this id may have been missed.
    Gap(LineId),
    /// The lines up to this id that were missed have since been published to every subscribed channel.
    CaughtUp(LineId),
    Join(Box<JoinRequest>),
    /// The client watches only these of its channels from here on.
    Narrow(ViewerId, RunChannels, Client),
    Leave(ViewerId),
    /// Sends the client a message between the lines.
    Notice(Client, Bytes),
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
    pub(crate) guard: SubscriptionGuard,
    /// The channel's history in Redis, if the client asks for history and it is kept there.
    pub(crate) stored: Option<StoredHistory>,
}

/// A number that no other client of this process has.
pub(crate) type ViewerId = u64;

/// The bytes that a line counts for while it is queued.
pub(crate) fn queued_size(line: &Line) -> usize {
    line.text.len() + 64
}
