//! The stop of the process, as one connection sees it.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// Time for a client to send one more request, and then to read the goodbye and end the connection.
pub(super) const LEAVE_TIMEOUT: Duration = Duration::from_millis(500);

/// Whether the process is stopping, and what that means for this connection.
pub(super) struct Stop {
    stopping: CancellationToken,
    latest: Option<Instant>,
}

impl Stop {
    pub(super) fn new(stopping: CancellationToken) -> Self {
        Self { stopping, latest: None }
    }

    /// Resolves when the process is stopping and `deadline` has passed.
    pub(super) async fn due(&self, deadline: Option<Instant>) {
        self.stopping.cancelled().await;
        if let Some(deadline) = deadline {
            sleep_until(deadline).await;
        }
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.is_cancelled()
    }

    /// Until when the client is served at most. `None` while the process is not stopping.
    pub(super) fn latest(&mut self) -> Option<Instant> {
        self.is_stopping().then(|| *self.latest.get_or_insert_with(|| Instant::now() + LEAVE_TIMEOUT))
    }
}
