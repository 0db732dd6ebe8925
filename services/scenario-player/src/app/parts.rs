//! What several parts share.

use std::sync::Arc;

use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::assignment::Assignment;
use crate::claimed::ClaimedEvents;
use crate::lane_clocks::LaneClocks;
use crate::lanes::{Lane, Lanes};
use crate::metrics::Metrics;
use crate::timeline::Timeline;
use crate::work::Work;

/// What every part may need.
pub(super) struct Shared {
    pub(super) lanes: Lanes,
    pub(super) clocks: Arc<LaneClocks>,
    /// In which lanes there is anything to publish soon. The readers say it, and the memberships join and leave by it.
    pub(super) work: Arc<Work>,
    /// Wakes the player.
    pub(super) player: Arc<Notify>,
    pub(super) metrics: Metrics,
    /// Cancelled when the process stops. Reading and publishing end first.
    pub(super) stopping: CancellationToken,
    /// Cancelled after the last acknowledgement. Only then do the lease and the connections end, which it needs.
    pub(super) finished: CancellationToken,
}

impl Shared {
    pub(super) fn new(lanes: Lanes, metrics: Metrics, stopping: CancellationToken) -> Self {
        Self {
            lanes,
            clocks: Arc::new(LaneClocks::new(lanes)),
            work: Arc::new(Work::new(lanes)),
            player: Arc::default(),
            metrics,
            stopping,
            finished: CancellationToken::new(),
        }
    }
}

/// The timeline, and what this instance may play of it.
pub(super) struct Backend {
    pub(super) timeline: Timeline,
    /// By their numbers.
    pub(super) lanes: Vec<OwnLane>,
}

/// What this instance may play of a lane.
pub(super) struct OwnLane {
    pub(super) lane: Lane,
    pub(super) claimed: Arc<ClaimedEvents>,
    pub(super) assignment: watch::Receiver<Assignment>,
}
