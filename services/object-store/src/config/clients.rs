//! Settings of the client port: its address, and the limits of clients.

use std::time::Duration;

use chassis::parsers;

use super::address::{self, Address};
use crate::ymq::IDENTITY_MAX;

#[derive(clap::Args)]
#[command(next_help_heading = "Clients")]
pub(crate) struct ClientSettings {
    /// Address for clients: tcp://HOST:PORT, tls://, ws:// or wss:// with the same, or ipc://PATH
    #[arg(long, env = "OBJECT_STORE_ADDRESS", default_value = "tcp://127.0.0.1:2346", value_parser = address::parse)]
    pub(super) address: Address,

    /// PEM file with the certificate chain, for tls:// and wss://
    #[arg(long, env = "OBJECT_STORE_TLS_CERT", requires = "tls_key")]
    pub(super) tls_cert: Option<String>,

    /// PEM file with its private key
    #[arg(long, env = "OBJECT_STORE_TLS_KEY", requires = "tls_cert")]
    pub(super) tls_key: Option<String>,

    /// PEM file with certificates of authorities; each client then needs a certificate of one of them
    #[arg(long, env = "OBJECT_STORE_TLS_CLIENT_CA")]
    pub(super) tls_client_ca: Option<String>,

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

fn identity(text: &str) -> Result<String, String> {
    match text.len() {
        1..=IDENTITY_MAX => Ok(text.to_owned()),
        _ => Err(format!("must have 1 to {IDENTITY_MAX} bytes")),
    }
}
