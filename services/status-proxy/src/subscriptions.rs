//! The requests to subscribe to channels in Redis. The subscriber serves them.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

/// A request to the subscriber.
pub(crate) enum SubscriptionCommand {
    /// Subscribe to the channel, and send the guard when Redis has confirmed it.
    Subscribe(Arc<str>, oneshot::Sender<Subscribed>),
    /// A guard of the channel was dropped.
    Release(Arc<str>),
}

/// The answer to a request to subscribe.
pub(crate) type Subscribed = Result<SubscriptionGuard, SubscribeRefusal>;

/// Why a channel is not subscribed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SubscribeRefusal {
    /// The user may not subscribe to it.
    Forbidden,
    /// This instance has as many channels as it may have.
    TooManyChannels,
    /// Redis has not confirmed it in time.
    Unreachable,
    /// It is a whole run, of which nobody can hear what is published by SPUBLISH.
    WholeRun,
}

impl SubscribeRefusal {
    /// What the client is told.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Forbidden => "Redis does not allow this channel",
            Self::TooManyChannels => "too many channels are watched now",
            Self::Unreachable => "Redis cannot be reached now",
            Self::WholeRun => "with STATUS_SHARDED_PUBSUB the channels must be named",
        }
    }

    /// The code of a refusal on an open socket.
    pub(crate) fn close_code(self) -> u16 {
        match self {
            Self::Forbidden => 4403,
            Self::TooManyChannels => 4429,
            Self::Unreachable => 4503,
            Self::WholeRun => 4400,
        }
    }
}

/// Sends requests to the subscriber. Clones send to the same one.
#[derive(Clone)]
pub(crate) struct Subscriptions(mpsc::UnboundedSender<SubscriptionCommand>);

impl Subscriptions {
    /// The sender, and the receiver for the subscriber.
    pub(crate) fn new() -> (Self, mpsc::UnboundedReceiver<SubscriptionCommand>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(sender), receiver)
    }

    /// Subscribes to a channel. The guard arrives when Redis has confirmed the subscription.
    pub(crate) fn subscribe(&self, channel: &str) -> oneshot::Receiver<Subscribed> {
        let (sender, receiver) = oneshot::channel();
        // The subscriber ends only with the process. Then the guard never comes.
        let _ = self.0.send(SubscriptionCommand::Subscribe(channel.into(), sender));
        receiver
    }

    /// A guard for a channel whose subscription is confirmed.
    pub(crate) fn guard(&self, channel: Arc<str>) -> SubscriptionGuard {
        SubscriptionGuard { channel, subscriptions: self.clone() }
    }
}

/// Keeps a channel subscribed in each way in which its lines are published.
pub(crate) struct ChannelGuard {
    /// By PUBLISH.
    pub(crate) _plain: SubscriptionGuard,
    /// By SPUBLISH, if that is listened to.
    pub(crate) _sharded: Option<SubscriptionGuard>,
}

/// Keeps its channel subscribed until it is dropped.
pub(crate) struct SubscriptionGuard {
    channel: Arc<str>,
    subscriptions: Subscriptions,
}

impl Drop for SubscriptionGuard {
    fn drop(&mut self) {
        let _ = self.subscriptions.0.send(SubscriptionCommand::Release(self.channel.clone()));
    }
}
