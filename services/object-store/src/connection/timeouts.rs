//! Timeouts of a connection. A client that owes bytes and does not send them has stalled. An idle client is disconnected
//! only if a setting says so.

use tokio::time::Instant;

use super::close_reason::CloseReason;
use crate::limits::Limits;
use crate::pace::MIN_PROGRESS;

/// When the client last made progress, and how many bytes it has sent since.
pub(super) struct IdleTimeouts {
    last_progress: Instant,
    bytes_since: usize,
}

/// What the client owes while nothing comes from it.
pub(super) enum PeerState {
    /// The rest of a request.
    MidRequest,
    /// Nothing.
    Idle,
}

impl IdleTimeouts {
    pub(super) fn new() -> Self {
        Self { last_progress: Instant::now(), bytes_since: 0 }
    }

    /// The client completed a message.
    pub(super) fn restart(&mut self) {
        *self = Self::new();
    }

    /// Counts bytes that do not complete a message. Only [`MIN_PROGRESS`] of them are progress.
    pub(super) fn count(&mut self, bytes: usize) {
        self.bytes_since += bytes;
        if self.bytes_since >= MIN_PROGRESS {
            self.restart();
        }
    }

    /// Checks the timeout that applies now.
    ///
    /// # Errors
    /// When the client took too long.
    pub(super) fn check(&self, peer: PeerState, limits: &Limits) -> Result<(), CloseReason> {
        let (timeout, reason) = match peer {
            PeerState::MidRequest => (Some(limits.stall_timeout), CloseReason::Stalled),
            PeerState::Idle => (limits.idle_timeout, CloseReason::Idle),
        };
        let is_over = timeout.is_some_and(|timeout| self.last_progress.elapsed() >= timeout);
        if is_over { Err(reason) } else { Ok(()) }
    }
}
