//! The state of one connection. Reading requests, writing responses and shutting down are in files of their own.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::BytesMut;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::request_order::RequestOrder;
use super::socket::READ_MIN;
use super::timeouts::{IdleTimeouts, PeerState};
use crate::header::RequestHeader;
use crate::node::Node;
use crate::outgoing::OutgoingResponse;
use crate::reply_to::Woken;
use crate::session::Attachment;
use crate::stream::Stream;
use crate::write_buffer::WriteBuffer;
use crate::ymq::Decoder;

/// Requests of one connection that are in flight in Redis at a time.
const IN_FLIGHT_MAX: usize = 256;

pub(super) struct Connection {
    pub(super) node: Arc<Node>,
    pub(super) stream: Stream,
    pub(super) decoder: Decoder,
    pub(super) input: BytesMut,
    /// Size of the next read.
    pub(super) read_size: usize,
    pub(super) output: WriteBuffer,
    /// Responses taken from the session's outbox, to be encoded into `output`.
    pub(super) taken: VecDeque<OutgoingResponse>,
    /// The client's session; `None` until the hello.
    pub(super) client: Option<Attachment>,
    /// Responses have been taken that the session does not yet know to be written.
    pub(super) has_taken: bool,
    /// Clients that must read their responses before this client reads the one to the request that made them possible.
    pub(super) woken: Woken,
    pub(super) order: RequestOrder,
    pub(super) timeouts: IdleTimeouts,
    pub(super) stopping: CancellationToken,
    pub(super) phase: Phase,
    pub(super) last_write: Instant,
    /// When the connection ends at the latest, once the node is stopping.
    pub(super) stop_deadline: Option<Instant>,
}

/// What is done with requests and responses now.
pub(super) enum Phase {
    /// Requests are executed as they come.
    Serving,
    /// None is read before the client's previous connection has executed those that it received. It sends the header whose
    /// payload it did not receive.
    Following(oneshot::Receiver<Option<RequestHeader>>),
    /// The node stops: none is read any more, and those in flight are answered.
    Stopping,
    /// The goodbye has been sent: those that still come are executed, and nothing is written.
    SaidGoodbye,
    /// The client has no use for this connection: those that have arrived are executed, and answered over its next one.
    Left,
}

impl Connection {
    pub(super) fn new(node: Arc<Node>, stream: Stream, stopping: CancellationToken) -> Self {
        Self {
            decoder: Decoder::new(node.limits.max_object),
            node,
            stream,
            input: BytesMut::new(),
            read_size: READ_MIN,
            output: WriteBuffer::default(),
            taken: VecDeque::new(),
            client: None,
            has_taken: false,
            woken: Woken::default(),
            order: RequestOrder::default(),
            timeouts: IdleTimeouts::new(),
            stopping,
            phase: Phase::Serving,
            last_write: Instant::now(),
            stop_deadline: None,
        }
    }

    /// Number of requests that are being executed.
    pub(super) fn in_flight(&self) -> usize {
        self.client.as_ref().map_or(0, |client| client.session.in_flight())
    }

    /// True if no further request may be executed now.
    pub(super) fn is_blocked(&self) -> bool {
        let is_full = || self.order.is_blocked() || self.in_flight() >= IN_FLIGHT_MAX;
        match self.phase {
            Phase::Following(_) | Phase::Stopping => true,
            Phase::Serving | Phase::SaidGoodbye | Phase::Left => {
                self.node.store.backend.is_remote() && is_full()
            }
        }
    }

    pub(super) fn peer_state(&self) -> PeerState {
        if self.decoder.awaits_hello() {
            PeerState::AwaitingHello
        } else if self.decoder.is_mid_message(&self.input) && !self.is_blocked() {
            PeerState::MidRequest
        } else {
            PeerState::Idle
        }
    }
}

/// Resolves with the header that the previous connection has left, once that has ended.
pub(super) async fn predecessor_ended(phase: &mut Phase) -> Option<RequestHeader> {
    match phase {
        // It left none if it ended in another way than by a reset.
        Phase::Following(legacy) => legacy.await.unwrap_or(None),
        _ => std::future::pending().await,
    }
}

/// Resolves when the session has something new to write, or a newer connection.
pub(super) async fn woken_up(client: Option<&Attachment>) {
    match client {
        Some(client) => client.wakeup.notified().await,
        None => std::future::pending().await,
    }
}
