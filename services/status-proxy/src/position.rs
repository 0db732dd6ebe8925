//! How far an instance has read the stream of all lines.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::line::LineId;

/// How far this instance has read.
#[derive(Clone, Copy, Default)]
pub(crate) struct StreamPosition {
    /// The id of the last line.
    pub(crate) latest: LineId,
    /// With history in Redis: this instance has received every line since this epoch.
    pub(crate) complete_since: u64,
}

/// The position, shared with those who must know whether a certain line has been read.
pub(crate) type SharedPosition = Arc<Mutex<StreamPosition>>;
