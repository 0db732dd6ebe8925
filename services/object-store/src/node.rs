//! What the connections of one node share.

use std::time::Duration;

use crate::budget::Budget;
use crate::metrics::Metrics;
use crate::session::Sessions;
use crate::store::ObjectStore;

/// A node: the store, its clients, and the limits that they keep.
pub(crate) struct Node {
    pub(crate) identity: String,
    pub(crate) store: ObjectStore,
    pub(crate) sessions: Sessions,
    pub(crate) budget: Budget,
    pub(crate) limits: Limits,
    pub(crate) metrics: Metrics,
}

/// What one client may cost.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    /// Longest object, in bytes.
    pub(crate) max_object: u64,
    /// Requests of one client that wait.
    pub(crate) max_waits: usize,
    pub(crate) max_connections: usize,
    /// A client that owes or is owed bytes and does not move them is cut off after this long.
    pub(crate) stall: Duration,
    /// As is one that says nothing at all; `None` for never.
    pub(crate) idle: Option<Duration>,
    /// How long a client whose connection was reset may take to come back.
    pub(crate) grace: Duration,
}

impl Limits {
    /// How often a connection looks at the clock: often enough to keep every limit within an eighth.
    pub(crate) fn tick(&self) -> Duration {
        (self.stall.min(self.idle.unwrap_or(self.stall)) / 8)
            .clamp(Duration::from_millis(20), Duration::from_secs(5))
    }
}
