//! One connection of a client: reads requests, executes them, writes responses.
//!
//! One task does all of it. So a client that does not read its responses is not read from either, and no queue grows.
//! [`hello`] begins it, `phase.rs` has the phases in which it is then, and [`CloseReason`] says how it ends.

mod close_reason;
mod hello;
mod input;
mod large_payload;
mod leave;
mod output;
mod phase;
mod request_order;
mod request_reader;
mod response_writer;
mod shutdown;
mod socket;
mod state;
mod stop;
mod timeouts;

use std::convert::Infallible;
use std::sync::Arc;

use bytes::BytesMut;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::limits::Limits;
use crate::node::Node;
use crate::stream::Stream;
pub(crate) use close_reason::CloseReason;
use phase::{Event, Phase};
use state::{Connection, predecessor_ended};

/// Serves one client until its connection ends.
pub(crate) async fn serve(node: &Arc<Node>, mut stream: Stream, stopping: CancellationToken) -> CloseReason {
    let mut received = BytesMut::new();
    let hello = match hello::receive(&mut stream, &mut received, &node.limits, &stopping).await {
        Ok(hello) => hello,
        Err(reason) => {
            end(stream, reason, &node.limits).await;
            return reason;
        }
    };
    let mut connection = Connection::new(Arc::clone(node), stream, hello, received, stopping);
    let Err(reason) = connection.run().await;
    if matches!(reason, CloseReason::Reset | CloseReason::Replaced) {
        connection.execute_what_has_arrived().await;
    }
    connection.close(reason).await;
    reason
}

impl Connection {
    /// Reads, executes and writes, until something ends it.
    async fn run(&mut self) -> Result<Infallible, CloseReason> {
        let interval = self.node.limits.check_interval();
        let mut timer = Box::pin(tokio::time::sleep(interval));
        loop {
            let more = self.read_requests().await?;
            let all_answered = self.in_flight() == 0;
            self.write_ready().await?;
            if all_answered && (matches!(self.phase, Phase::Stopping) || self.may_send_goodbye()) {
                return Err(self.send_goodbye().await);
            }
            self.flush().await?;
            let is_blocked = self.is_blocked();
            if more && !is_blocked {
                continue;
            }
            let serve_until = self.serve_until();
            let is_between_requests = !is_blocked && !self.input.is_mid_message();
            tokio::select! {
                // Requests that have arrived are read before the stop is handled: a client does not repeat them.
                biased;
                received = self.input.receive(&mut self.stream), if !is_blocked => received?,
                () = self.client.woken_up() => {}
                pending_header = predecessor_ended(&mut self.phase) => self.follow(pending_header),
                () = self.stop.due(serve_until), if is_between_requests => {
                    if self.serve_until().is_some_and(|until| until <= Instant::now()) {
                        self.phase.apply(Event::StopDue);
                    }
                }
                () = &mut timer => {
                    timer.as_mut().reset(Instant::now() + interval);
                    self.input.check_timeouts(!self.is_blocked(), &self.node.limits)?;
                }
            }
        }
    }

    async fn close(mut self, reason: CloseReason) {
        if reason.flushes() {
            // What cannot be written now cannot be delivered at all.
            let _ = self.flush().await;
        }
        let Self { node, stream, client, input, output, .. } = self;
        if reason.may_reconnect() {
            client.detach(input.decoder.pending_header(), output.into_unsent());
        } else if node.sessions.close(&client.session, &client.signals) {
            node.store.backend.cancel_waiting(client.session.id);
        }
        end(stream, reason, &node.limits).await;
    }
}

/// Ends the stream as the client has to see it.
async fn end(stream: Stream, reason: CloseReason, limits: &Limits) {
    match reason {
        CloseReason::Reset | CloseReason::Stalled | CloseReason::Idle => drop(stream),
        CloseReason::Stopped => stream.reset(limits.stall_timeout).await,
        CloseReason::Closed
        | CloseReason::Replaced
        | CloseReason::Protocol(_)
        | CloseReason::WebSocket
        | CloseReason::TooManyWaiting => stream.close().await,
    }
}
