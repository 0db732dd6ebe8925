//! How long a client may take: a slow one that owes or is owed bytes is cut off, an idle one only by setting.

use std::time::Duration;

use tokio::time::Instant;

use super::End;
use crate::node::Limits;

/// Bytes that a slow client must move within the stall timeout.
pub(super) const PROGRESS: usize = 256 << 10;
/// Time for the hello.
const HELLO: Duration = Duration::from_secs(10);

/// When the client last completed something, and the bytes it has sent since.
pub(super) struct Patience {
    since: Instant,
    unaccounted: usize,
}

/// What a client is doing while nothing comes from it.
pub(super) enum Silence {
    /// It has not said hello.
    New,
    /// It is in the middle of a request.
    Owes,
    /// It owes nothing.
    Idle,
}

impl Patience {
    pub(super) fn new() -> Self {
        Self { since: Instant::now(), unaccounted: 0 }
    }

    /// The client completed something.
    pub(super) fn renew(&mut self) {
        *self = Self::new();
    }

    /// Bytes have come that complete nothing yet: only many of them are progress.
    pub(super) fn count(&mut self, bytes: usize) {
        self.unaccounted += bytes;
        if self.unaccounted >= PROGRESS {
            self.renew();
        }
    }

    /// # Errors
    /// When it is over.
    pub(super) fn check(&self, silence: Silence, limits: &Limits) -> Result<(), End> {
        let (patience, end) = match silence {
            Silence::New => (Some(limits.stall.min(HELLO)), End::Stalled),
            Silence::Owes => (Some(limits.stall), End::Stalled),
            Silence::Idle => (limits.idle, End::Idle),
        };
        if patience.is_some_and(|patience| self.since.elapsed() >= patience) { Err(end) } else { Ok(()) }
    }
}
