//! Settings, each documented where it stands; `--help` and the README are made from the same lines.

use std::time::Duration;

use chassis::{Invalid, ProcessSettings, Service, Settings, value};
use redis_core::RedisConfig;
use ws_server::token::TokenKey;
use ws_server::{Network, Options, Origins, Overflow};

use crate::ring::Keep;

/// The settings of status-proxy.
#[derive(clap::Parser)]
#[command(about = "Carries the status lines of long-running work from Redis Pub/Sub to browsers")]
pub struct Config {
    #[command(flatten)]
    /// The section that every process has.
    pub process: ProcessSettings,
    #[command(flatten)]
    pub(crate) redis: RedisConfig,
    #[command(flatten)]
    history: History,
    #[command(flatten)]
    sockets: Sockets,

    /// Key that access tokens are checked with: a secret (HS256), a public key in PEM, a JWKS, or file:PATH of one; none: no tokens
    #[arg(long, env = "STATUS_TOKEN_KEY", value_parser = TokenKey::parse)]
    pub(crate) token_key: Option<TokenKey>,

    /// false: /metrics is 404
    #[arg(long, env = "STATUS_METRICS_ENABLED", default_value = "true", value_parser = value::boolean, action = clap::ArgAction::Set)]
    pub(crate) metrics_enabled: bool,
}

#[derive(clap::Args)]
#[command(next_help_heading = "History")]
struct History {
    /// memory: of the channels that are or were just watched, in this process; redis: of all channels, for all instances
    #[arg(long, env = "STATUS_HISTORY", default_value = "memory", value_parser = ["memory", "redis"])]
    history: String,

    /// Lines kept of a channel
    #[arg(long, env = "STATUS_HISTORY_LINES", default_value_t = 1000)]
    history_lines: usize,

    /// Bytes of text kept of a channel in memory
    #[arg(long, env = "STATUS_HISTORY_SIZE", default_value = "256KB", value_parser = value::size)]
    history_size: usize,

    /// Age up to which lines are kept; also how long a channel's are kept after its last viewer (memory) or line (redis)
    #[arg(long, env = "STATUS_HISTORY_AGE", default_value = "10m", value_parser = positive)]
    history_age: Duration,
}

#[derive(clap::Args)]
#[command(next_help_heading = "Sockets")]
struct Sockets {
    /// Time between two {"type":"ping"}
    #[arg(long, env = "STATUS_PING_INTERVAL", default_value = "30s", value_parser = positive)]
    ping_interval: Duration,

    /// A client that has sent nothing for this long is closed with 1008
    #[arg(long, env = "STATUS_PONG_TIMEOUT", default_value = "65s", value_parser = positive)]
    pong_timeout: Duration,

    /// Pages that may connect: comma-separated wildcards over the Origin's host or host:port; empty for any
    #[arg(long, env = "STATUS_ALLOWED_ORIGINS", default_value = "", value_parser = origins)]
    allowed_origins: Origins,

    /// A client that takes nothing for this long, while something waits for it, is closed with 1013
    #[arg(long, env = "STATUS_WRITE_TIMEOUT", default_value = "2s", value_parser = positive)]
    write_timeout: Duration,

    /// Bytes that may wait for a client when another line comes; then it is closed with 1013
    #[arg(long, env = "STATUS_OUTBOX_SIZE", default_value = "1MB", value_parser = value::size)]
    outbox_size: usize,

    /// The longest message a client may send; a longer one closes it with 1009
    #[arg(long, env = "STATUS_MAX_MESSAGE_SIZE", default_value = "64KB", value_parser = value::size)]
    max_message_size: usize,

    /// Time for a client's request to arrive, and for its subscription to stand
    #[arg(long, env = "STATUS_HANDSHAKE_TIMEOUT", default_value = "10s", value_parser = positive)]
    handshake_timeout: Duration,

    /// Open clients at once; more are refused with 503
    #[arg(long, env = "STATUS_MAX_CONNECTIONS", default_value_t = 20_000)]
    max_connections: usize,

    /// Connections of one address at once; more are refused with 429; 0 for no limit
    #[arg(long, env = "STATUS_MAX_CONNECTIONS_PER_ADDRESS", default_value_t = 0)]
    max_connections_per_address: usize,

    /// Connections accepted in a second; more wait; 0 for no limit
    #[arg(long, env = "STATUS_ACCEPT_RATE", default_value_t = 0)]
    accept_rate: u32,

    /// Proxies whose X-Forwarded-For names the client's address: comma-separated addresses and networks
    #[arg(long, env = "STATUS_TRUSTED_PROXIES", value_delimiter = ',', value_parser = network)]
    trusted_proxies: Vec<Network>,

    /// true: {"type":"hangup"} is sent before the close of a drain; the original's browser client then never reconnects
    #[arg(long, env = "STATUS_HANGUP_ON_DRAIN", default_value = "false", value_parser = value::boolean, action = clap::ArgAction::Set)]
    hangup_on_drain: bool,
}

impl Settings for Config {
    const SERVICE: Service = Service {
        name: "status-proxy",
        version: env!("CARGO_PKG_VERSION"),
        prefix: "STATUS_",
        defaults: &[("LISTEN_ADDR", ":9002"), ("REDIS_DB", "2")],
    };

    fn process(&self) -> &ProcessSettings {
        &self.process
    }

    fn check(&self) -> Result<(), Invalid> {
        if self.sockets.pong_timeout > self.sockets.ping_interval {
            Ok(())
        } else {
            Err(Invalid::new("STATUS_PONG_TIMEOUT", "must be longer than STATUS_PING_INTERVAL"))
        }
    }
}

impl Config {
    /// Whether history is kept in Redis.
    pub(crate) fn records(&self) -> bool {
        self.history.history == "redis"
    }

    pub(crate) fn keep(&self) -> Keep {
        Keep {
            lines: self.history.history_lines,
            bytes: self.history.history_size,
            age: self.history.history_age,
        }
    }

    /// How long a client waits for its subscription before it is told to come back later.
    pub(crate) fn patience(&self) -> Duration {
        self.sockets.handshake_timeout
    }

    pub(crate) fn socket_options(&self) -> Options {
        let sockets = &self.sockets;
        Options {
            ping: r#"{"type":"ping"}"#,
            ping_interval: sockets.ping_interval,
            pong_timeout: sockets.pong_timeout,
            write_timeout: sockets.write_timeout,
            // Every line counts: a client that cannot take them resumes later.
            overflow: Overflow::Close { max_bytes: sockets.outbox_size },
            max_message_size: sockets.max_message_size,
            handshake_timeout: sockets.handshake_timeout,
            origins: sockets.allowed_origins.clone(),
            max_connections: sockets.max_connections,
            max_connections_per_address: sockets.max_connections_per_address,
            trusted_proxies: sockets.trusted_proxies.clone(),
            accept_rate: sockets.accept_rate,
            farewell: sockets.hangup_on_drain.then_some(r#"{"type":"hangup"}"#),
        }
    }
}

fn positive(text: &str) -> Result<Duration, String> {
    match value::duration(text)? {
        Duration::ZERO => Err("must be longer than nothing".to_owned()),
        duration => Ok(duration),
    }
}

fn origins(text: &str) -> Result<Origins, String> {
    Ok(Origins::parse(text))
}

fn network(text: &str) -> Result<Network, String> {
    text.parse().map_err(|problem| format!("must be addresses and networks: {problem}"))
}
