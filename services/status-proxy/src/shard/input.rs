//! What happens to a shard.

use std::sync::Arc;

use ws_server::Client;

use crate::line::{Id, Line};
use crate::ring::{Ask, Recorded};
use crate::target::Target;

/// One thing that happens.
pub(crate) enum Input {
    /// A line was published on the channel (`run:channel`).
    Line(Arc<str>, Line),
    /// Lines of any channel may have been missed; later ones have greater ids.
    Gap(Id),
    /// Lines up to this id that were missed have been given after all for every channel that is watched.
    CaughtUp(Id),
    /// A client comes to watch.
    Join(Box<Join>),
    /// The client of this token has left.
    Leave(u64),
}

/// A client that comes to watch.
pub(crate) struct Join {
    pub(crate) client: Client,
    pub(crate) target: Target,
    pub(crate) ask: Ask,
    /// For each channel of the target.
    pub(crate) channels: Vec<Joined>,
    /// A number that no other client has.
    pub(crate) token: u64,
}

/// One channel that a client joins.
pub(crate) struct Joined {
    pub(crate) interest: Interest,
    pub(crate) recorded: Option<Recorded>,
}

/// Whatever keeps a channel subscribed as long as it lives.
pub(crate) type Interest = Arc<dyn Send + Sync>;

/// What a line counts for in the backlog.
pub(crate) fn weight(line: &Line) -> usize {
    line.text.len() + 64
}
