use std::net::TcpListener;
use std::time::Duration;

use chassis::{ProcessSettings, Service, SettingError, parsers};
use ws_server::{ClientAddress, Hosts, IpNet, Options, Origins, Overflow, parse_network};

use crate::token_key::TokenKey;

/// The settings of a service's sockets. Each variable has the service's prefix.
#[derive(clap::Args)]
#[command(next_help_heading = "Sockets")]
pub struct SocketSettings {
    /// Time between two {"type":"ping"} messages to a client
    #[arg(long, env = "_PING_INTERVAL", default_value = "30s", value_parser = parsers::positive_duration)]
    ping_interval: Duration,

    /// A client that has sent nothing for this long is closed with 1008
    #[arg(long, env = "_PONG_TIMEOUT", default_value = "65s", value_parser = parsers::positive_duration)]
    pong_timeout: Duration,

    /// Pages that may connect: comma-separated wildcards for the Origin's host or host:port; empty for any
    #[arg(long, env = "_ALLOWED_ORIGINS", default_value = "")]
    pub(crate) allowed_origins: Origins,

    /// Names of the service beside localhost, addresses and the name in LISTEN_ADDR: comma-separated wildcards for the Host; others are refused with 421. Empty: any name while any origin is allowed, else the hosts of ALLOWED_ORIGINS
    #[arg(long, env = "_ALLOWED_HOSTS", default_value = "")]
    pub(crate) allowed_hosts: Hosts,

    /// Key that verifies access tokens: secret:TEXT or secret:file:PATH; a public key in PEM, a JWKS, or file:PATH or https://URL of one; without it no token is needed
    #[arg(long, env = "_TOKEN_KEY", hide_env_values = true, value_parser = TokenKey::parse)]
    pub(crate) token_key: Option<TokenKey>,

    /// How often keys are fetched from a URL again; a token of a key that is not known has them fetched at once
    #[arg(long, env = "_TOKEN_KEY_REFRESH", default_value = "10m", value_parser = parsers::positive_duration)]
    pub(crate) token_key_refresh: Duration,

    /// By how much the clock of whoever signs tokens may differ: a token is accepted for so much longer
    #[arg(long, env = "_TOKEN_LEEWAY", default_value = "60s", value_parser = parsers::duration)]
    pub(crate) token_leeway: Duration,

    /// Cookie that may hold the token; needs ALLOWED_ORIGINS
    #[arg(long, env = "_TOKEN_COOKIE")]
    pub(crate) token_cookie: Option<String>,

    /// true: a WebSocket with a missing or wrong token is opened and closed with 4401 or 4403, which pages can read; false: 401 or 403
    #[arg(long, env = "_REFUSE_AFTER_UPGRADE", default_value = "false", value_parser = parsers::boolean, action = clap::ArgAction::Set)]
    pub(crate) refuse_after_upgrade: bool,

    /// true: a WebSocket without a token is opened, and its first message must be {"type":"token","token":"…"}, within HANDSHAKE_TIMEOUT
    #[arg(long, env = "_TOKEN_AFTER_UPGRADE", default_value = "false", value_parser = parsers::boolean, action = clap::ArgAction::Set)]
    pub(crate) token_after_upgrade: bool,

    /// Token of the operator, who may list and watch all runs: as a bearer token, or as a password; without it whoever may watch runs may list them
    #[arg(long, env = "OPERATOR_TOKEN", hide_env_values = true)]
    pub(crate) operator_token: Option<String>,

    /// A client that reads nothing for this long, while messages wait for it, is closed with 1013
    #[arg(long, env = "_WRITE_TIMEOUT", default_value = "2s", value_parser = parsers::positive_duration)]
    write_timeout: Duration,

    /// The largest message a client may send; a larger one closes the client with 1009
    #[arg(long, env = "_MAX_MESSAGE_SIZE", default_value = "64KB", value_parser = parsers::size)]
    max_message_size: usize,

    /// Time to open a connection: for the request to arrive, and for the service to prepare the answer
    #[arg(long, env = "_HANDSHAKE_TIMEOUT", default_value = "10s", value_parser = parsers::positive_duration)]
    pub handshake_timeout: Duration,

    /// The largest number of open sockets and event streams; more are refused with 503
    #[arg(long, env = "_MAX_CONNECTIONS", default_value_t = 20_000)]
    max_connections: usize,

    /// The largest number of connections per client address; more are refused with 429; 0 for no limit
    #[arg(long, env = "_MAX_CONNECTIONS_PER_ADDRESS", default_value_t = 0)]
    max_connections_per_address: usize,

    /// Connections accepted per second; more wait; 0 for no limit
    #[arg(long, env = "_ACCEPT_RATE", default_value_t = 0)]
    accept_rate: u32,

    /// Proxies that name the client's address: comma-separated addresses and networks
    #[arg(long, env = "_TRUSTED_PROXIES", value_delimiter = ',', value_parser = network)]
    trusted_proxies: Vec<IpNet>,

    /// How those proxies name it: x-forwarded-for, forwarded (RFC 7239), proxy-protocol (version 1 or 2)
    #[arg(long, env = "_CLIENT_ADDRESS", default_value = "x-forwarded-for", value_parser = client_address)]
    client_address: ClientAddress,

    /// true: a drain sends {"type":"hangup"} before it closes a client; the original's browser client then never reconnects
    #[arg(long, env = "_HANGUP_ON_DRAIN", default_value = "false", value_parser = parsers::boolean, action = clap::ArgAction::Set)]
    hangup_on_drain: bool,

    /// false: /metrics is 404
    #[arg(long, env = "_METRICS_ENABLED", default_value = "true", value_parser = parsers::boolean, action = clap::ArgAction::Set)]
    pub(crate) metrics_enabled: bool,
}

impl SocketSettings {
    /// Checks rules that concern several settings, for [`Settings::check`](chassis::Settings::check).
    ///
    /// # Errors
    /// Names the variable at fault, with the service's prefix, and says what it must be.
    pub fn check(&self, service: Service) -> Result<(), SettingError> {
        if self.token_cookie.is_some() && !self.allowed_origins.are_limited() {
            // Browsers send cookies with the requests of any page.
            let problem = format!("needs {}ALLOWED_ORIGINS", service.prefix);
            return Err(SettingError::new(format!("{}TOKEN_COOKIE", service.prefix), problem));
        }
        if self.pong_timeout > self.ping_interval {
            return Ok(());
        }
        let problem = format!("must be longer than {}PING_INTERVAL", service.prefix);
        Err(SettingError::new(format!("{}PONG_TIMEOUT", service.prefix), problem))
    }

    /// The largest number of open sockets and event streams, for [`Settings::max_connections`](chassis::Settings::max_connections).
    pub fn max_connections(&self) -> usize {
        self.max_connections
    }

    /// The options of the server. What happens to a client that reads too slowly is decided by the service.
    pub fn options(&self, process: &ProcessSettings, overflow: Overflow) -> Options {
        let (listen_host, _port) = process.listen_addr.rsplit_once(':').unwrap_or_default();
        Options {
            ping: r#"{"type":"ping"}"#,
            ping_interval: self.ping_interval,
            pong_timeout: self.pong_timeout,
            write_timeout: self.write_timeout,
            overflow,
            max_message_size: self.max_message_size,
            handshake_timeout: self.handshake_timeout,
            origins: self.allowed_origins.clone(),
            max_connections: self.max_connections,
            max_connections_per_address: self.max_connections_per_address,
            hosts: (self.allowed_origins.are_limited() || !self.allowed_hosts.is_empty())
                .then(|| self.allowed_hosts.clone().with(listen_host)),
            probe_paths: &["/health", "/ready", "/metrics"],
            trusted_proxies: self.trusted_proxies.clone(),
            client_address: self.client_address,
            accept_rate: self.accept_rate,
            drain_message: self.hangup_on_drain.then_some(r#"{"type":"hangup"}"#),
        }
    }
}

/// How long the server may take to close its clients: a little less than the process may take to end, so that the server
/// returns before the process is forced to end.
pub fn drain_time(process: &ProcessSettings) -> Duration {
    process.drain_timeout.mul_f64(0.95)
}

/// Binds `LISTEN_ADDR`. Warns if no token is needed and other machines reach it.
///
/// # Errors
/// When the address cannot be bound.
pub fn listen(process: &ProcessSettings, sockets: &SocketSettings) -> anyhow::Result<TcpListener> {
    let listener = chassis::http::listen(process)?;
    if sockets.token_key.is_none() {
        process.warn_if_reachable(listener.local_addr()?, "TOKEN_KEY");
    }
    Ok(listener)
}

fn client_address(text: &str) -> Result<ClientAddress, String> {
    match text {
        "x-forwarded-for" => Ok(ClientAddress::XForwardedFor),
        "forwarded" => Ok(ClientAddress::Forwarded),
        "proxy-protocol" => Ok(ClientAddress::ProxyProtocol),
        _ => Err("must be x-forwarded-for, forwarded or proxy-protocol".to_owned()),
    }
}

fn network(text: &str) -> Result<IpNet, String> {
    parse_network(text).map_err(|problem| format!("must be addresses and networks: {problem}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use chassis::{Settings, settings};

    #[derive(clap::Parser)]
    struct Demo {
        #[command(flatten)]
        process: ProcessSettings,
        #[command(flatten)]
        sockets: SocketSettings,
    }

    impl Settings for Demo {
        const SERVICE: Service = Service {
            name: "demo",
            version: "1.2.3",
            prefix: "DEMO_",
            defaults: &[("LISTEN_ADDR", ":8000")],
        };
        fn process(&self) -> &ProcessSettings {
            &self.process
        }
        fn check(&self) -> Result<(), SettingError> {
            self.sockets.check(Self::SERVICE)
        }
    }

    fn refusal(variable: &'static str, text: &'static str) -> Option<String> {
        settings::from_vars::<Demo>([(variable, text)]).err().map(|error| error.to_string())
    }

    #[test]
    fn an_unusable_value_is_refused_and_the_error_names_the_variable_with_its_prefix() {
        assert_eq!(refusal("DEMO_PING_INTERVAL", "5s"), None);
        assert_eq!(
            refusal("DEMO_WRITE_TIMEOUT", "0s").as_deref(),
            Some("DEMO_WRITE_TIMEOUT must be longer than nothing")
        );
        assert_eq!(
            refusal("DEMO_PONG_TIMEOUT", "30s").as_deref(),
            Some("DEMO_PONG_TIMEOUT must be longer than DEMO_PING_INTERVAL")
        );
        let cookie = refusal("DEMO_TOKEN_COOKIE", "session");
        assert_eq!(cookie.as_deref(), Some("DEMO_TOKEN_COOKIE needs DEMO_ALLOWED_ORIGINS"));
        let proxies = refusal("DEMO_TRUSTED_PROXIES", "10.0.0.0/8,here").unwrap();
        assert!(proxies.starts_with("DEMO_TRUSTED_PROXIES must be addresses and networks: "), "{proxies}");
    }

    #[test]
    fn the_name_in_the_listen_address_is_the_services_own_where_names_count() {
        let hosts = |vars: &[(&'static str, &'static str)]| {
            let demo = settings::from_vars::<Demo>(vars.iter().copied()).unwrap();
            demo.sockets.options(&demo.process, Overflow::KeepLatest).hosts
        };
        let listen = ("DEMO_LISTEN_ADDR", "Status.internal:9002");
        assert_eq!(hosts(&[listen]), None, "any page may connect under any name");
        let expected = Hosts::parse("status.internal");
        assert_eq!(hosts(&[listen, ("DEMO_ALLOWED_ORIGINS", "www.example.org")]), Some(expected));
        let expected = Hosts::parse("a.test,status.internal");
        assert_eq!(hosts(&[listen, ("DEMO_ALLOWED_HOSTS", "a.test")]), Some(expected));
    }

    #[test]
    fn the_readme_names_every_setting() {
        let readme = include_str!("../README.md");
        for argument in settings::command::<Demo>().get_arguments() {
            let name = argument.get_env().and_then(|name| name.to_str()?.strip_prefix("DEMO_"));
            if let Some(name) = name {
                assert!(readme.contains(&format!("| `{name}` |")), "{name}");
            }
        }
    }
}
