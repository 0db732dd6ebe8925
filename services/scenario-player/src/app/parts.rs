//! What several parts share.

use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::assignment::Assignment;
use crate::claimed::ClaimedEvents;
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::timeline::Timeline;

/// What every part may need.
pub(super) struct Shared {
    pub(super) clock: Arc<Clock>,
    pub(super) metrics: Metrics,
    /// Cancelled when the process stops. Reading and publishing end first.
    pub(super) stopping: CancellationToken,
    /// Cancelled after the last acknowledgement. Only then do the lease and the connections end, which it needs.
    pub(super) finished: CancellationToken,
}

impl Shared {
    pub(super) fn new(metrics: Metrics, stopping: CancellationToken) -> Self {
        Self { clock: Arc::new(Clock::new()), metrics, stopping, finished: CancellationToken::new() }
    }
}

/// The timeline, and what this instance may play of it.
pub(super) struct Backend {
    pub(super) timeline: Timeline,
    pub(super) claimed: Arc<ClaimedEvents>,
    pub(super) assignment: watch::Receiver<Assignment>,
    /// The reader says here whether there is anything to publish soon. The membership joins and leaves by it.
    pub(super) has_work: watch::Sender<bool>,
}
