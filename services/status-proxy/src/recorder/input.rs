use std::sync::Arc;

use crate::line::Line;

/// What a recorder is told, in the order in which Redis sent it.
#[derive(Clone)]
pub(crate) enum RecorderInput {
    Line(Arc<str>, Line),
    /// A new epoch started.
    Epoch(u64),
    /// A new epoch started. Nobody may have received some of the lines before it.
    Gap(u64),
    /// A new epoch started, in the order of this node on a Cluster. This instance may have missed lines before it, and none since.
    Restart(u64, Arc<str>),
}
