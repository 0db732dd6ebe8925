use std::sync::Arc;

use fred::types::Message;

/// What a [`ShardedPubSub`](crate::ShardedPubSub) tells.
#[derive(Debug)]
pub enum ShardedEvent {
    /// What was published.
    Message(Message),
    /// Redis has confirmed the subscription of this channel.
    Subscribed {
        /// The channel.
        channel: Arc<str>,
        /// It was subscribed to before, and what was published since may have been missed.
        has_missed: bool,
    },
    /// These channels are not subscribed any more. They are subscribed to again.
    Lost(Vec<Arc<str>>),
    /// The user may not subscribe to this channel. It is tried again once a second, and told each time.
    Forbidden(Arc<str>),
}

/// Nobody wants subscriptions any more, or nobody takes what they tell.
pub(super) struct Ended;
