//! Settings of the client port: its address, and the limits of clients.

use std::time::Duration;

use chassis::parsers;

use crate::ymq::IDENTITY_MAX;

#[derive(clap::Args)]
#[command(next_help_heading = "Clients")]
pub(crate) struct ClientSettings {
    /// Address for clients: tcp://HOST:PORT or tls://HOST:PORT
    #[arg(long, env = "OBJECT_STORE_ADDRESS", default_value = "tcp://127.0.0.1:2346", value_parser = address)]
    pub(super) address: Address,

    /// PEM file with the certificate chain, for tls://
    #[arg(long, env = "OBJECT_STORE_TLS_CERT", requires = "tls_key")]
    pub(super) tls_cert: Option<String>,

    /// PEM file with its private key
    #[arg(long, env = "OBJECT_STORE_TLS_KEY", requires = "tls_cert")]
    pub(super) tls_key: Option<String>,

    /// The server's identity in the protocol; the same on all nodes of a cluster
    #[arg(long, env = "OBJECT_STORE_IDENTITY", default_value = "ObjectStorageServer", value_parser = identity)]
    pub(super) identity: String,

    /// Most connections at a time; further ones are refused
    #[arg(long, env = "OBJECT_STORE_MAX_CONNECTIONS", default_value_t = 10_000)]
    pub(super) max_connections: usize,

    /// Most requests of one client that may wait for objects; a client with more is disconnected
    #[arg(long, env = "OBJECT_STORE_MAX_WAITING", default_value_t = 100_000)]
    pub(super) max_waiting: usize,

    /// Memory for objects in transfer between clients and store, for all connections together
    #[arg(long, env = "OBJECT_STORE_MAX_TRANSFER_MEMORY", default_value = "1GB", value_parser = parsers::size)]
    pub(super) max_transfer_memory: usize,

    /// A client that sends or takes less than 256 KiB of a transfer in this time is disconnected
    #[arg(long, env = "OBJECT_STORE_STALL_TIMEOUT", default_value = "60s", value_parser = parsers::positive_duration)]
    pub(super) stall_timeout: Duration,

    /// A client that sends no request for this long is disconnected; 0 for never
    #[arg(long, env = "OBJECT_STORE_IDLE_TIMEOUT", default_value = "0", value_parser = parsers::duration)]
    pub(super) idle_timeout: Duration,

    /// How long the waiting requests of a client are kept after its connection was reset
    #[arg(long, env = "OBJECT_STORE_RECONNECT_GRACE", default_value = "60s", value_parser = parsers::duration)]
    pub(super) reconnect_grace: Duration,
}

/// The address for clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) tls: bool,
    /// HOST:PORT
    pub(crate) host: String,
}

fn address(text: &str) -> Result<Address, String> {
    let fail = || "must be tcp://HOST:PORT or tls://HOST:PORT".to_owned();
    let (scheme, host) = text.split_once("://").ok_or_else(fail)?;
    let tls = match scheme {
        "tcp" => false,
        "tls" => true,
        _ => return Err(fail()),
    };
    let host = host.trim_end_matches('/').replacen("*:", "0.0.0.0:", 1);
    let (name, port) = host.rsplit_once(':').ok_or_else(fail)?;
    if name.is_empty() || port.parse::<u16>().is_err() { Err(fail()) } else { Ok(Address { tls, host }) }
}

fn identity(text: &str) -> Result<String, String> {
    match text.len() {
        1..=IDENTITY_MAX => Ok(text.to_owned()),
        _ => Err(format!("must have 1 to {IDENTITY_MAX} bytes")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_as_scaler_writes_them() {
        let plain = |host: &str| Ok(Address { tls: false, host: host.to_owned() });
        assert_eq!(address("tcp://127.0.0.1:2346"), plain("127.0.0.1:2346"));
        assert_eq!(address("tcp://[::1]:2346"), plain("[::1]:2346"));
        assert_eq!(address("tcp://*:2346"), plain("0.0.0.0:2346"));
        assert!(address("tls://localhost:2346").unwrap().tls);
        for bad in ["", "127.0.0.1:2346", "ws://h:1", "tcp://h", "tcp://:1", "tcp://h:x"] {
            assert_eq!(address(bad), Err("must be tcp://HOST:PORT or tls://HOST:PORT".to_owned()), "{bad}");
        }
    }
}
