//! How a connection ends when the node stops.
//!
//! A released client must have read every response before its connection is reset. Otherwise libuv reports the reset to it
//! as a FIN, and it never reconnects. So a stopping node first says goodbye (see [`GOODBYE`]).

use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::close_reason::CloseReason;
use super::socket::{READ_MIN, read};
use super::state::{Connection, Phase, woken_up};
use crate::ymq::GOODBYE;

/// Time for a client to send one more request, and then to read the goodbye and end the connection.
const LEAVE_TIMEOUT: Duration = Duration::from_millis(500);
/// If nothing was written for this long, the client has read everything, unless it is delayed.
const QUIET_TIME: Duration = Duration::from_millis(100);

/// Resolves when the process is stopping and `deadline` has passed.
pub(super) async fn stop_due(stopping: &CancellationToken, deadline: Option<Instant>) {
    stopping.cancelled().await;
    if let Some(deadline) = deadline {
        sleep_until(deadline).await;
    }
}

impl Connection {
    /// Until when the client is served although the process is stopping. `None` while it is not stopping.
    pub(super) fn serve_until(&mut self) -> Option<Instant> {
        if !self.stopping.is_cancelled() {
            return None;
        }
        let latest = *self.stop_deadline.get_or_insert_with(|| Instant::now() + LEAVE_TIMEOUT);
        // A client that would not survive a goodbye is reset once it is quiet.
        Some(if self.stream.takes_goodbye() { latest } else { latest.min(self.last_write + QUIET_TIME) })
    }

    /// True if the process is stopping and the goodbye can be sent together with a response. A client that sends one request
    /// at a time has then sent no other, so none is lost.
    pub(super) fn may_send_goodbye(&self) -> bool {
        self.output.len() > 0
            && !self.order.has_deferred()
            && self.stopping.is_cancelled()
            && matches!(self.phase, Phase::Serving)
            && self.stream.takes_goodbye()
            && !self.decoder.is_mid_message(&self.input)
    }

    /// Sends the goodbye. Requests that the client sent before it read the goodbye are executed but not answered: the client will
    /// not repeat them.
    pub(super) async fn send_goodbye(&mut self) -> CloseReason {
        if self.client.is_none() || !self.stream.takes_goodbye() {
            return CloseReason::Stopped;
        }
        self.output.push_bytes(&GOODBYE);
        if let Err(reason) = self.flush().await {
            return reason;
        }
        self.phase = Phase::SaidGoodbye;
        // A client that does not end the connection by then is reset.
        let _ = timeout(LEAVE_TIMEOUT, self.execute_the_rest()).await;
        while self.in_flight() > 0 {
            woken_up(self.client.as_ref()).await;
        }
        CloseReason::Stopped
    }

    /// Executes requests until the client ends the connection.
    async fn execute_the_rest(&mut self) -> Result<(), CloseReason> {
        loop {
            let more = self.read_requests().await?;
            self.write_ready().await?;
            let blocked = self.is_blocked();
            if more && !blocked {
                continue;
            }
            self.input.reserve(READ_MIN);
            tokio::select! {
                read = read(&mut self.stream, &mut self.input), if !blocked => read.map(drop)?,
                () = woken_up(self.client.as_ref()) => {}
            }
        }
    }
}
