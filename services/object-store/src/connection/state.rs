//! The state of one connection. Reading requests, writing responses and shutting down are in files of their own.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::BytesMut;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::request_order::RequestOrder;
use super::socket::READ_MIN;
use super::timeouts::{IdleTimeouts, PeerState};
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
    /// No further request is read until those in flight have been answered.
    pub(super) stopped: bool,
    /// Nothing is written after the goodbye.
    pub(super) goodbye_sent: bool,
    pub(super) last_write: Instant,
    /// When the connection ends at the latest, once the node is stopping.
    pub(super) stop_deadline: Option<Instant>,
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
            stopped: false,
            goodbye_sent: false,
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
        self.stopped || self.node.store.backend.is_remote() && is_full()
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

/// Resolves when the session has something new to write, or a newer connection.
pub(super) async fn woken_up(client: Option<&Attachment>) {
    match client {
        Some(client) => client.wakeup.notified().await,
        None => std::future::pending().await,
    }
}
