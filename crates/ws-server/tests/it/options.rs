//! The options of all tests. The unit tests include this file by its path.

use std::time::Duration;

use crate::{ClientAddress, Options, Origins, Overflow};

/// Generous limits. A test lowers those that it is about.
pub(crate) fn options() -> Options {
    Options {
        ping: r#"{"type":"ping"}"#,
        ping_interval: Duration::from_secs(30),
        pong_timeout: Duration::from_secs(65),
        write_timeout: Duration::from_secs(2),
        overflow: Overflow::Close { max_bytes: 1024 * 1024 },
        max_message_size: 65_536,
        handshake_timeout: Duration::from_secs(10),
        origins: Origins::default(),
        max_connections: 20_000,
        max_connections_per_address: 0,
        hosts: None,
        probe_paths: &["/health"],
        trusted_proxies: Vec::new(),
        client_address: ClientAddress::default(),
        accept_rate: 0,
        drain_message: None,
    }
}
