//! How a connection ends when the node stops.
//!
//! A released client must have read every response before its connection is reset. Otherwise libuv reports the reset to it
//! as a FIN, and it never reconnects. So a stopping node first says goodbye (see [`GOODBYE`]).

use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::close_reason::CloseReason;
use super::phase::{Event, Phase};
use super::state::Connection;
use super::stop::LEAVE_TIMEOUT;
use crate::ymq::GOODBYE;

/// If nothing was written for this long, the client has read everything, unless it is delayed.
const QUIET_TIME: Duration = Duration::from_millis(100);

impl Connection {
    /// Until when the client is served although the process is stopping. `None` while it is not stopping.
    pub(super) fn serve_until(&mut self) -> Option<Instant> {
        let latest = self.stop.latest()?;
        // A client that would not survive a goodbye is reset once it is quiet.
        let is_patient = self.stream.takes_goodbye();
        Some(if is_patient { latest } else { latest.min(self.output.last_write + QUIET_TIME) })
    }

    /// True if the process is stopping and the goodbye can be sent together with a response. A client that sends one request
    /// at a time has then sent no other, so none is lost.
    pub(super) fn may_send_goodbye(&self) -> bool {
        self.output.buffer.len() > 0
            && !self.order.has_deferred()
            && self.stop.is_stopping()
            && matches!(self.phase, Phase::Serving)
            && self.stream.takes_goodbye()
            && !self.input.is_mid_message()
    }

    /// Sends the goodbye. Requests that the client sent before it read the goodbye are executed but not answered: the client will
    /// not repeat them.
    pub(super) async fn send_goodbye(&mut self) -> CloseReason {
        if !self.stream.takes_goodbye() {
            return CloseReason::Stopped;
        }
        self.output.buffer.push_bytes(&GOODBYE);
        if let Err(reason) = self.flush().await {
            return reason;
        }
        self.phase.apply(Event::GoodbyeSent);
        // A client that does not end the connection by then is reset.
        let _ = timeout(LEAVE_TIMEOUT, self.execute_the_rest()).await;
        while self.in_flight() > 0 {
            self.client.woken_up().await;
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
            tokio::select! {
                received = self.input.receive(&mut self.stream), if !blocked => received?,
                () = self.client.woken_up() => {}
            }
        }
    }
}
