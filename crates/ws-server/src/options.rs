//! How the server behaves; the service gives it, from its settings.

use std::time::Duration;

use crate::address::Network;
use crate::origin::Origins;

/// The behaviour of a [`Server`](crate::Server). Every time must be longer than nothing.
#[derive(Clone, Debug)]
pub struct Options {
    /// The text of the heartbeat, sent to a client that has been open or beaten for [`ping_interval`](Self::ping_interval).
    pub ping: &'static str,
    /// Time between two heartbeats.
    pub ping_interval: Duration,
    /// A WebSocket client that has sent nothing for this long is closed with 1008.
    pub pong_timeout: Duration,
    /// A client that takes nothing for this long, while something waits for it, is closed with 1013.
    pub write_timeout: Duration,
    /// What happens to a client that reads more slowly than it is written to.
    pub overflow: Overflow,
    /// The longest message a client may send, in bytes; more is closed with 1009.
    pub max_message_size: usize,
    /// Time for the head of a request to arrive.
    pub handshake_timeout: Duration,
    /// Pages that may connect; others get 403.
    pub origins: Origins,
    /// Open sockets and event streams at once; more get 503. Plain requests may have [`SPARE`](Self::SPARE) connections beside.
    pub max_connections: usize,
    /// Connections of one address at once, more get 429; 0 is no limit.
    pub max_connections_per_address: usize,
    /// Proxies whose `X-Forwarded-For` names the client's address.
    pub trusted_proxies: Vec<Network>,
    /// Connections accepted in a second; more wait in the kernel's queue. 0 is no limit.
    pub accept_rate: u32,
    /// A text sent before the close of a drain, if any.
    pub farewell: Option<&'static str>,
}

impl Options {
    /// Connections beyond [`max_connections`](Self::max_connections) for handshakes, probes and pages.
    pub const SPARE: usize = 512;
}

/// What to do for a client that reads more slowly than it is written to. Nobody else ever waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overflow {
    /// Every message counts: keep up to so many bytes in order, then close with 1013.
    Close {
        /// Bytes that may wait for one client when another message comes for it.
        max_bytes: usize,
    },
    /// Only the latest message counts: a newer one takes the place of the one that waits.
    KeepLatest,
}
