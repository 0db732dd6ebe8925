//! Why a run cannot be watched.

use std::fmt;

/// Why a run cannot be watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RunRefusal {
    /// This instance watches as many runs as it may, or more clients ask at once than it can answer.
    InstanceFull,
    /// This socket watches as many runs as it may.
    SocketFull,
    /// The Redis user may not read the run, or may not subscribe to its changes.
    Forbidden,
    /// The run's hash is larger than the limit.
    TooLarge,
}

impl RunRefusal {
    /// The status of a request for the run.
    pub(crate) fn status(self) -> u16 {
        match self {
            Self::InstanceFull => 503,
            Self::SocketFull => 429,
            Self::Forbidden => 403,
            Self::TooLarge => 413,
        }
    }

    /// The code by which an open socket is told.
    pub(crate) fn close_code(self) -> u16 {
        match self {
            Self::InstanceFull | Self::SocketFull => 4429,
            Self::Forbidden => 4403,
            Self::TooLarge => 4413,
        }
    }
}

impl fmt::Display for RunRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InstanceFull => "too many runs are watched on this instance",
            Self::SocketFull => "too many runs are watched on this socket",
            Self::Forbidden => "Redis does not allow this run",
            Self::TooLarge => "the run is too large",
        })
    }
}
