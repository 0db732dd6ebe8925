//! How a client goes from one connection to its next one.
//!
//! After a reset it repeats no request that it had sent, and the node may see the new connection before the reset. So what has
//! arrived over the old connection is executed first, in either order.

use std::time::Duration;

use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::phase::{Event, Phase};
use super::socket::{READ_MAX, read};
use super::state::{Connection, predecessor_ended};

/// If nothing came for this long, everything that the client sent has arrived.
const ARRIVAL_TIME: Duration = Duration::from_millis(50);
/// How long requests are read from a client that goes on sending over its old connection.
const ARRIVAL_LIMIT: Duration = Duration::from_secs(1);

/// Resolves when nothing more comes over a connection that a newer one has replaced.
pub(super) async fn has_ended(replaced: &CancellationToken) {
    replaced.cancelled().await;
    tokio::time::sleep(ARRIVAL_TIME).await;
}

impl Connection {
    /// Executes the requests that have arrived, although the client has left this connection. They are answered over its next one.
    pub(super) async fn execute_what_has_arrived(&mut self) {
        if matches!(self.phase, Phase::Following(_)) {
            let pending_header = predecessor_ended(&mut self.phase).await;
            self.follow(pending_header);
        }
        self.phase.apply(Event::ClientLeft);
        let deadline = Instant::now() + ARRIVAL_LIMIT;
        while !self.input.decoder.is_in_large_payload()
            && let Ok(is_blocked) = self.read_requests().await
        {
            if is_blocked {
                self.client.session.wait_until_executed().await;
                self.order.all_finished();
                continue;
            }
            self.input.buffer.reserve(READ_MAX);
            let reading = timeout(ARRIVAL_TIME, read(&mut self.stream, &mut self.input.buffer));
            if Instant::now() >= deadline || !matches!(reading.await, Ok(Ok(_))) {
                return;
            }
        }
    }
}
