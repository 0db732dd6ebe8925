//! The behaviour of the server, which a service derives from its settings.

use std::time::Duration;

use ipnet::IpNet;

use crate::address::ClientAddress;
use web_security::{Hosts, Origins};

/// The behaviour of a [`Server`](crate::Server). Every duration must be greater than zero.
#[derive(Clone, Debug)]
pub struct Options {
    /// The text of the heartbeat message to WebSocket clients.
    pub ping: &'static str,
    /// Time between two heartbeats. The first one is sent this long after the client has connected.
    pub ping_interval: Duration,
    /// A WebSocket client that has sent nothing for this long, not even the answer to a ping of the protocol, is closed with
    /// 1008.
    pub pong_timeout: Duration,
    /// A client that reads nothing for this long, while messages wait for it, is closed with 1013.
    pub write_timeout: Duration,
    /// What happens to a client that reads more slowly than messages for it arrive.
    pub overflow: Overflow,
    /// The largest message a client may send, in bytes. A larger one closes the client with 1009.
    pub max_message_size: usize,
    /// How long the head of a request may take to arrive.
    pub handshake_timeout: Duration,
    /// Origins of the pages that may connect. Others get 403.
    pub origins: Origins,
    /// The largest number of open WebSockets and event streams. More get 503. Plain requests may use
    /// [`SPARE_CONNECTIONS`](Self::SPARE_CONNECTIONS) connections in addition.
    pub max_connections: usize,
    /// The largest number of connections per client address. More get 429. 0 is no limit.
    pub max_connections_per_address: usize,
    /// The names of the service. Requests with another `Host` get 421. `None` allows any.
    pub hosts: Option<Hosts>,
    /// Paths that are answered under any name. Programs ask for them, not browsers.
    pub probe_paths: &'static [&'static str],
    /// Proxies that name the client's address.
    pub trusted_proxies: Vec<IpNet>,
    /// How they do it.
    pub client_address: ClientAddress,
    /// Connections that are accepted per second. More wait in the kernel's queue. 0 is no limit.
    pub accept_rate: u32,
    /// The text of a message that a drain sends before it closes a client, if any.
    pub drain_message: Option<&'static str>,
}

impl Options {
    /// Connections beyond [`max_connections`](Self::max_connections), for handshakes, probes and pages.
    pub const SPARE_CONNECTIONS: usize = 512;
}

/// What happens to a client that reads more slowly than messages for it arrive. No other client waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overflow {
    /// Keep every message, in order, up to this many bytes; then close the client with 1013.
    Close {
        /// Bytes that may be waiting for the client when another message arrives.
        max_bytes: usize,
    },
    /// Keep the latest message only: a newer one replaces the one that waits.
    KeepLatest,
}
