//! One connection of a client: reads requests, executes them, writes responses.
//!
//! One task does all of it. So a client that does not read its responses is not read from either, and no queue grows.

mod close_reason;
mod large_payload;
mod leave;
mod request_order;
mod request_reader;
mod response_writer;
mod shutdown;
mod socket;
mod state;
mod timeouts;

use std::sync::Arc;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::node::Node;
use crate::stream::Stream;
pub(crate) use close_reason::CloseReason;
use shutdown::stop_due;
use socket::{READ_MAX, READ_MIN, read};
use state::{Connection, Phase, predecessor_ended, woken_up};

/// Serves one client until its connection ends.
pub(crate) async fn serve(node: &Arc<Node>, stream: Stream, stopping: CancellationToken) -> CloseReason {
    let mut connection = Connection::new(Arc::clone(node), stream, stopping);
    let reason = connection.run().await.unwrap_or_else(|reason| reason);
    if matches!(reason, CloseReason::Reset | CloseReason::Replaced) {
        connection.execute_what_has_arrived().await;
    }
    connection.close(reason).await;
    reason
}

impl Connection {
    async fn run(&mut self) -> Result<CloseReason, CloseReason> {
        let interval = self.node.limits.check_interval();
        let mut timer = Box::pin(tokio::time::sleep(interval));
        loop {
            let more = self.read_requests().await?;
            let all_answered = self.in_flight() == 0;
            self.write_ready().await?;
            if all_answered && (matches!(self.phase, Phase::Stopping) || self.may_send_goodbye()) {
                return Ok(self.send_goodbye().await);
            }
            self.flush().await?;
            if more && !self.is_blocked() {
                continue;
            }
            self.input.reserve(self.read_size);
            let serve_until = self.serve_until();
            let blocked = self.is_blocked();
            let (awaits_hello, mid_message) =
                (self.decoder.awaits_hello(), self.decoder.is_mid_message(&self.input));
            tokio::select! {
                // Requests that have arrived are read before the stop is handled: a client does not repeat them.
                biased;
                read = read(&mut self.stream, &mut self.input), if !blocked => {
                    self.timeouts.count(read?);
                    if !mid_message {
                        self.timeouts.restart();
                    }
                    let filled = self.input.len() == self.input.capacity();
                    self.read_size = if filled { READ_MAX } else { READ_MIN };
                }
                () = woken_up(self.client.as_ref()) => {}
                pending_header = predecessor_ended(&mut self.phase) => self.follow(pending_header),
                () = stop_due(&self.stopping, serve_until), if !blocked && (awaits_hello || !mid_message) => {
                    if self.serve_until().is_none_or(|until| until <= Instant::now()) {
                        self.phase = Phase::Stopping;
                    }
                }
                () = &mut timer => {
                    timer.as_mut().reset(Instant::now() + interval);
                    self.timeouts.check(self.peer_state(), &self.node.limits)?;
                }
            }
        }
    }

    async fn close(mut self, reason: CloseReason) {
        if reason.flushes() {
            // What cannot be written now cannot be delivered at all.
            let _ = self.flush().await;
        }
        let Self { node, stream, decoder, client, taken, .. } = self;
        if let Some(client) = client {
            if reason.may_reconnect() {
                client.detach(decoder.pending_header(), taken);
            } else if node.sessions.close(&client.session, client.connection) {
                node.store.backend.cancel_waiting(client.session.id);
            }
        }
        match reason {
            CloseReason::Reset | CloseReason::Stalled | CloseReason::Idle => drop(stream),
            CloseReason::Stopped => stream.reset(node.limits.stall_timeout).await,
            CloseReason::Closed
            | CloseReason::Replaced
            | CloseReason::Protocol(_)
            | CloseReason::WebSocket
            | CloseReason::TooManyWaiting => stream.close().await,
        }
    }
}
