//! Settings, each documented where it stands; `--help` and the README are made from the same lines.

use std::time::Duration;

use chassis::{Invalid, ProcessSettings, Service, Settings, value};
use redis_core::RedisConfig;
use ws_server::token::TokenKey;
use ws_server::{Network, Options, Origins, Overflow};

use crate::hub::Intervals;
use crate::rules::Rules;

/// The settings of preflight.
#[derive(clap::Parser)]
#[command(about = "Tells browsers, live, which steps of a run's preparation are done and still current")]
pub struct Config {
    #[command(flatten)]
    /// The section that every process has.
    pub process: ProcessSettings,
    #[command(flatten)]
    pub(crate) redis: RedisConfig,
    #[command(flatten)]
    checklist: Checklist,
    #[command(flatten)]
    sockets: Sockets,

    /// Key that viewers' tokens are checked with: a secret (HS256), a public key in PEM, a JWKS, or file:PATH of one
    #[arg(long, env = "PREFLIGHT_TOKEN_KEY", value_parser = TokenKey::parse)]
    pub(crate) token_key: Option<TokenKey>,

    /// false: /metrics is 404
    #[arg(long, env = "PREFLIGHT_METRICS_ENABLED", default_value = "true", value_parser = value::boolean, action = clap::ArgAction::Set)]
    pub(crate) metrics_enabled: bool,
}

#[derive(clap::Args)]
#[command(next_help_heading = "Checklist")]
struct Checklist {
    /// The checklist: weppcloud2, wepppy, or the path of a rules file (TOML)
    #[arg(long, env = "PREFLIGHT_RULES", default_value = "weppcloud2", value_parser = Rules::load)]
    rules: Rules,

    /// How often a watched run is read without having been told of a change
    #[arg(long, env = "PREFLIGHT_RECHECK_INTERVAL", default_value = "30s", value_parser = positive)]
    recheck_interval: Duration,

    /// How often, while Redis does not tell of changes
    #[arg(long, env = "PREFLIGHT_POLL_INTERVAL", default_value = "1s", value_parser = positive)]
    poll_interval: Duration,
}

#[derive(clap::Args)]
#[command(next_help_heading = "Sockets")]
struct Sockets {
    /// Time between two {"type":"ping"}
    #[arg(long, env = "PREFLIGHT_PING_INTERVAL", default_value = "30s", value_parser = positive)]
    ping_interval: Duration,

    /// A client that has sent nothing for this long is closed with 1008
    #[arg(long, env = "PREFLIGHT_PONG_TIMEOUT", default_value = "65s", value_parser = positive)]
    pong_timeout: Duration,

    /// Pages that may connect: comma-separated wildcards over the Origin's host or host:port; empty for any
    #[arg(long, env = "PREFLIGHT_ALLOWED_ORIGINS", default_value = "", value_parser = origins)]
    allowed_origins: Origins,

    /// A client that takes nothing for this long, while something waits for it, is closed with 1013
    #[arg(long, env = "PREFLIGHT_WRITE_TIMEOUT", default_value = "2s", value_parser = positive)]
    write_timeout: Duration,

    /// The longest message a client may send; a longer one closes it with 1009
    #[arg(long, env = "PREFLIGHT_MAX_MESSAGE_SIZE", default_value = "64KB", value_parser = value::size)]
    max_message_size: usize,

    /// Time for a client's request to arrive
    #[arg(long, env = "PREFLIGHT_HANDSHAKE_TIMEOUT", default_value = "10s", value_parser = positive)]
    handshake_timeout: Duration,

    /// Open sockets at once; more are refused with 503
    #[arg(long, env = "PREFLIGHT_MAX_CONNECTIONS", default_value_t = 20_000)]
    max_connections: usize,

    /// Open sockets of one address at once; more are refused with 429; 0 for no limit
    #[arg(long, env = "PREFLIGHT_MAX_CONNECTIONS_PER_ADDRESS", default_value_t = 0)]
    max_connections_per_address: usize,

    /// Connections accepted in a second; more wait; 0 for no limit
    #[arg(long, env = "PREFLIGHT_ACCEPT_RATE", default_value_t = 0)]
    accept_rate: u32,

    /// Proxies whose X-Forwarded-For names the client's address: comma-separated addresses and networks
    #[arg(long, env = "PREFLIGHT_TRUSTED_PROXIES", value_delimiter = ',', value_parser = network)]
    trusted_proxies: Vec<Network>,

    /// true: {"type":"hangup"} is sent before the close of a drain; the original's browser client then never reconnects
    #[arg(long, env = "PREFLIGHT_HANGUP_ON_DRAIN", default_value = "false", value_parser = value::boolean, action = clap::ArgAction::Set)]
    hangup_on_drain: bool,
}

impl Settings for Config {
    const SERVICE: Service = Service {
        name: "preflight",
        version: env!("CARGO_PKG_VERSION"),
        prefix: "PREFLIGHT_",
        defaults: &[("LISTEN_ADDR", ":9001")],
    };

    fn process(&self) -> &ProcessSettings {
        &self.process
    }

    fn check(&self) -> Result<(), Invalid> {
        if self.sockets.pong_timeout > self.sockets.ping_interval {
            Ok(())
        } else {
            Err(Invalid::new("PREFLIGHT_PONG_TIMEOUT", "must be longer than PREFLIGHT_PING_INTERVAL"))
        }
    }
}

impl Config {
    pub(crate) fn rules(&self) -> Rules {
        self.checklist.rules.clone()
    }

    pub(crate) fn intervals(&self) -> Intervals {
        Intervals { recheck: self.checklist.recheck_interval, poll: self.checklist.poll_interval }
    }

    pub(crate) fn socket_options(&self) -> Options {
        let sockets = &self.sockets;
        Options {
            ping: r#"{"type":"ping"}"#,
            ping_interval: sockets.ping_interval,
            pong_timeout: sockets.pong_timeout,
            write_timeout: sockets.write_timeout,
            // A checklist says all there is: only the latest counts.
            overflow: Overflow::KeepLatest,
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

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_readme_names_every_setting_of_the_service() {
        let readme = include_str!("../README.md");
        for setting in Config::command().get_arguments().filter_map(|argument| argument.get_env()?.to_str()) {
            assert!(readme.contains(&format!("`{setting}`")), "{setting}");
        }
    }

    #[test]
    fn durations_must_be_longer_than_nothing_and_the_silence_longer_than_the_ping() {
        let refusal = |variable, text| {
            chassis::settings::from_vars::<Config>([(variable, text)]).err().map(|e| e.to_string())
        };
        assert_eq!(refusal("PREFLIGHT_PING_INTERVAL", "5s"), None);
        assert_eq!(
            refusal("PREFLIGHT_POLL_INTERVAL", "0s").as_deref(),
            Some("PREFLIGHT_POLL_INTERVAL must be longer than nothing")
        );
        assert_eq!(
            refusal("PREFLIGHT_PONG_TIMEOUT", "30s").as_deref(),
            Some("PREFLIGHT_PONG_TIMEOUT must be longer than PREFLIGHT_PING_INTERVAL")
        );
        let proxies = refusal("PREFLIGHT_TRUSTED_PROXIES", "10.0.0.0/8,here");
        assert!(proxies.is_some_and(|text| {
            text.starts_with("PREFLIGHT_TRUSTED_PROXIES must be addresses and networks")
        }));
    }
}
