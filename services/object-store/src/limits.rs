//! The limits that one client has to keep.

use std::time::Duration;

/// How much one client may use, and how long it may take.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    /// Longest object, in bytes.
    pub(crate) max_object: u64,
    /// Waiting requests of one client.
    pub(crate) max_waiting: usize,
    /// Connections of all clients.
    pub(crate) max_connections: usize,
    /// A client that owes or is owed bytes and does not move them is disconnected after this time.
    pub(crate) stall_timeout: Duration,
    /// A client that sends nothing is disconnected after this time; `None` for never.
    pub(crate) idle_timeout: Option<Duration>,
    /// How long the session of a client is kept after its connection was reset.
    pub(crate) reconnect_grace: Duration,
}

impl Limits {
    /// How often a connection checks its timeouts: every eighth of the shortest, so none is missed by more than that.
    pub(crate) fn check_interval(&self) -> Duration {
        (self.stall_timeout.min(self.idle_timeout.unwrap_or(self.stall_timeout)) / 8)
            .clamp(Duration::from_millis(20), Duration::from_secs(5))
    }
}
