//! Events that the broker has decided about.

use std::sync::Arc;

use crate::range::ClaimedEvent;

/// What comes of a published event.
pub(crate) enum Settled {
    /// The broker has it.
    Accepted(ClaimedEvent),
    /// The broker will never take it.
    Refused(RefusedEvent),
}

/// An event that becomes a dead letter.
pub(crate) struct RefusedEvent {
    /// The event.
    pub(crate) claimed: ClaimedEvent,
    /// Why the broker does not take it.
    pub(crate) reason: Arc<str>,
}
