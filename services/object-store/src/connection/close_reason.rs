//! Why a connection ends, and what that means for the client.

use crate::ymq::ProtocolError;

/// Why a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CloseReason {
    #[error("closed by the client")]
    Closed,
    #[error("reset by the client")]
    Reset,
    #[error("replaced by a newer connection of the same identity")]
    Replaced,
    #[error("{0}")]
    Protocol(#[from] ProtocolError),
    #[error("the client broke the WebSocket protocol")]
    WebSocket,
    #[error("the client stalled in the middle of a frame")]
    Stalled,
    #[error("the client was idle for too long")]
    Idle,
    #[error("too many requests of this client wait")]
    TooManyWaiting,
    #[error("the node is stopping")]
    Stopped,
}

impl CloseReason {
    /// The client may reconnect, or has, so its session is kept.
    pub(super) fn may_reconnect(self) -> bool {
        matches!(self, Self::Reset | Self::Replaced | Self::Stalled | Self::Idle | Self::Stopped)
    }

    /// The client may still be reading, so the responses in the write buffer are flushed.
    pub(super) fn flushes(self) -> bool {
        matches!(self, Self::Closed | Self::Protocol(_) | Self::WebSocket | Self::Stopped)
    }
}
