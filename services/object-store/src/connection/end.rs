//! The ways in which a connection ends, and what each means for the client.

use crate::ymq::Malformed;

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum End {
    #[error("closed by the client")]
    Closed,
    #[error("reset by the client")]
    Reset,
    #[error("replaced by a newer connection of the same identity")]
    Replaced,
    #[error("{0}")]
    Malformed(#[from] Malformed),
    #[error("stalled in the middle of a frame")]
    Stalled,
    #[error("idle")]
    Idle,
    #[error("too many requests of this client wait")]
    TooManyWaits,
    #[error("stopping")]
    Stopped,
}

impl End {
    /// What the client waits for is kept, since it may connect again.
    pub(super) fn may_come_back(self) -> bool {
        matches!(self, Self::Reset | Self::Stalled | Self::Idle | Self::Stopped)
    }

    /// What was answered already is still said, to a client that listens.
    pub(super) fn listens(self) -> bool {
        matches!(self, Self::Closed | Self::Malformed(_) | Self::Stopped)
    }
}
