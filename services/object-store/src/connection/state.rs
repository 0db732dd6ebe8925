//! The state of one connection. Reading requests, writing responses and shutting down are in files of their own.

use std::sync::Arc;

use bytes::BytesMut;
use tokio_util::sync::CancellationToken;

use super::input::Input;
use super::output::Output;
use super::phase::{Event, Phase};
use super::request_order::RequestOrder;
use super::stop::Stop;
use crate::attachment::Attachment;
use crate::header::RequestHeader;
use crate::node::Node;
use crate::session::link::Predecessor;
use crate::stream::Stream;
use crate::ymq::{Hello, encode_hello};

pub(super) struct Connection {
    pub(super) node: Arc<Node>,
    pub(super) stream: Stream,
    pub(super) client: Attachment,
    pub(super) phase: Phase,
    pub(super) input: Input,
    pub(super) order: RequestOrder,
    pub(super) output: Output,
    pub(super) stop: Stop,
}

impl Connection {
    /// The connection of a client that has said who it is. `received` is what came behind its hello.
    pub(super) fn new(
        node: Arc<Node>,
        stream: Stream,
        hello: Hello,
        received: BytesMut,
        stopping: CancellationToken,
    ) -> Self {
        let (client, predecessor) = node.sessions.attach(hello.identity);
        let mut input = Input::new(received, node.limits.max_object);
        let phase = match predecessor {
            Predecessor::Ending(handover) => Phase::Following(handover),
            Predecessor::Ended(pending_header) => {
                input.resume(pending_header);
                Phase::Serving
            }
        };
        let mut order = RequestOrder::default();
        if node.store.backend.is_remote() {
            // The client's previous connection may have left some in flight.
            order.get_started();
        }
        let output = Output::new(&encode_hello(hello.version, node.identity.as_bytes()));
        Self { node, stream, client, phase, input, order, output, stop: Stop::new(stopping) }
    }

    /// The client's previous connection has ended, perhaps after a header whose payload comes over this one.
    pub(super) fn follow(&mut self, pending_header: Option<RequestHeader>) {
        self.input.resume(pending_header);
        self.phase.apply(Event::PredecessorEnded);
    }

    /// Number of requests that are being executed.
    pub(super) fn in_flight(&self) -> usize {
        self.client.session.in_flight()
    }

    /// True if no further request may be executed now.
    pub(super) fn is_blocked(&self) -> bool {
        let backend = &self.node.store.backend;
        let is_full = || self.order.is_blocked() || self.in_flight() >= backend.in_flight_max();
        !self.phase.executes_requests() || (backend.is_remote() && is_full())
    }
}

/// Resolves with the header that the previous connection has left, once that has ended.
pub(super) async fn predecessor_ended(phase: &mut Phase) -> Option<RequestHeader> {
    match phase {
        // It left none if it ended in another way than by a reset.
        Phase::Following(handover) => handover.await.unwrap_or(None),
        _ => std::future::pending().await,
    }
}
