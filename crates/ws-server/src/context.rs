//! What every connection of a server uses.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::connection_limiter::ConnectionLimiter;
use crate::frame;
use crate::metrics::Metrics;
use crate::options::Options;
use crate::transport::Transport;
use crate::unfinished::UnfinishedBytes;

/// The state that a server shares with all of its connections.
pub(crate) struct ServerContext {
    pub(crate) options: Options,
    pub(crate) metrics: Metrics,
    pub(crate) limiter: Arc<ConnectionLimiter>,
    pub(crate) unfinished: UnfinishedBytes,
    /// New clients are refused, because the server is closing those that it has.
    pub(crate) is_draining: AtomicBool,
    /// A ping of the protocol alone.
    pub(crate) protocol_ping: Bytes,
    pings: [Bytes; 2],
    drain_messages: [Option<Bytes>; 2],
    started: Instant,
}

impl ServerContext {
    pub(crate) fn new(options: Options, metrics: Metrics) -> Self {
        let drain_message =
            |transport: Transport| options.drain_message.map(|text| transport.encode_one(text));
        let text = Transport::WebSocket.encode_one(options.ping);
        let protocol_ping = frame::encode_ping();
        Self {
            pings: [[&protocol_ping[..], &text].concat().into(), Bytes::from_static(b": ping\n\n")],
            drain_messages: [drain_message(Transport::WebSocket), drain_message(Transport::EventStream)],
            protocol_ping,
            limiter: Arc::default(),
            unfinished: UnfinishedBytes::default(),
            is_draining: AtomicBool::new(false),
            started: Instant::now(),
            options,
            metrics,
        }
    }

    /// Milliseconds since the server was created: the clock of all its timeouts.
    pub(crate) fn now_ms(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }

    /// The time at which [`now_ms`](Self::now_ms) is this.
    pub(crate) fn instant(&self, ms: u64) -> Instant {
        self.started + Duration::from_millis(ms)
    }

    /// The encoded heartbeat. For a WebSocket it is a ping of the protocol, so that a client that only listens shows that it
    /// lives, and the text message.
    pub(crate) fn ping(&self, transport: Transport) -> &Bytes {
        &self.pings[transport as usize]
    }

    /// The encoded message that precedes the close of a drain, if there is one.
    pub(crate) fn drain_message(&self, transport: Transport) -> Option<&Bytes> {
        self.drain_messages[transport as usize].as_ref()
    }
}
