//! What the event loops of both protocol versions have in common.

use std::sync::Arc;

use super::limits::Limits;

/// Something that happened on a connection.
pub(super) enum LoopEvent {
    /// The broker has accepted the connection, and said what it takes.
    Connected(Limits),
    /// A message went out under this packet id. At QoS 0 that is 0.
    Sent(u16),
    /// The broker has answered to the message with this packet id.
    Answered(u16, Answer),
    Other,
}

/// What the broker says to a message.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// It has the message.
    Accepted,
    /// It does not take it now, but may take it later.
    Deferred,
    /// It will never take it, for this reason.
    Refused(Arc<str>),
}

/// Why a connection ended, or did not begin.
pub(super) struct Lost {
    /// In words.
    pub(super) reason: String,
    /// Whether a message of ours may have been the cause. It cannot when the broker stops, or does not answer.
    pub(super) may_be_a_message: bool,
}

/// The event loop of one protocol version. It must be polled for anything to be sent or received.
pub(super) trait EventLoop {
    /// Waits for the next event. An error ends the connection.
    async fn next_event(&mut self) -> Result<LoopEvent, Lost>;
}
