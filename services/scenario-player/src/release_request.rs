//! How the reader gets back the events that the player has not published.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::lanes::Lane;
use crate::range::ClaimedEvent;

/// Asks the player to give up every event of a lane that it has not published yet.
pub(crate) struct ReleaseRequest {
    /// The lane.
    pub(crate) lane: Lane,
    /// The instance name under which the player goes on.
    pub(crate) instance: Arc<str>,
    /// Where the player sends those events.
    pub(crate) reply: oneshot::Sender<Vec<ClaimedEvent>>,
}
