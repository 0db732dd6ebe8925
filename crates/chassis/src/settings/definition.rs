//! What a service declares about its settings, and the section that every process has.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tracing::warn;

use super::error::SettingError;
use crate::parsers;

/// The settings of one service.
pub trait Settings: clap::Parser {
    /// Which service this is.
    const SERVICE: Service;

    /// The section that every process has.
    fn process(&self) -> &ProcessSettings;

    /// Checks rules between several settings.
    ///
    /// # Errors
    /// Names the variable that is at fault and what it must be.
    fn check(&self) -> Result<(), SettingError> {
        Ok(())
    }

    /// The key of a variable in the service's settings file, if it has such a file and the variable may be in it.
    fn file_key(_variable: &str) -> Option<String> {
        None
    }

    /// `PREFIX_MAX_CONNECTIONS`, if there is such a setting. At start it is compared with the files that may be open.
    fn max_connections(&self) -> Option<usize> {
        None
    }
}

/// A service's name, and what it changes in the shared sections.
#[derive(Clone, Copy)]
pub struct Service {
    /// The name, also of the binary.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
    /// The prefix of its own variables (`STATUS_`); empty for none.
    pub prefix: &'static str,
    /// Its defaults for variables of shared sections: variable and value.
    pub defaults: &'static [(&'static str, &'static str)],
}

/// Settings of every process: where it listens, how it stops, how it logs.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Process")]
pub struct ProcessSettings {
    /// HOST:PORT or :PORT for HTTP: /health, /ready, /metrics and the service's own pages
    #[arg(long, env = "LISTEN_ADDR", value_parser = parsers::listen_addr)]
    pub listen_addr: String,

    /// In a container: the address of the machine on which its ports are published; all addresses if unset
    #[arg(long, env = "PUBLISH_ADDRESS")]
    pub publish_address: Option<IpAddr>,

    /// How long work goes on after SIGTERM while /ready is 404, so that a load balancer notices
    #[arg(long, env = "DRAIN_DELAY", default_value = "2s", value_parser = parsers::duration)]
    pub drain_delay: Duration,

    /// How long work that is under way may take to end after that
    #[arg(long, env = "DRAIN_TIMEOUT", default_value = "10s", value_parser = parsers::duration)]
    pub drain_timeout: Duration,

    /// Lowest level that is logged: TRACE, DEBUG, INFO, WARN, ERROR
    #[arg(long, env = "LOG_LEVEL", default_value = "INFO", ignore_case = true,
          value_parser = ["TRACE", "DEBUG", "INFO", "WARN", "WARNING", "ERROR", "CRITICAL"])]
    pub log_level: String,

    /// Log levels by module, as in tracing's EnvFilter (`info,fred=debug`); overrides LOG_LEVEL
    #[arg(long, env = "RUST_LOG")]
    pub rust_log: Option<String>,

    /// text, or json for one object per line
    #[arg(long, env = "LOG_FORMAT", default_value = "text", value_parser = ["text", "json"])]
    pub log_format: String,

    /// URL of a collector that takes OTLP over HTTP, to send it traces; none are made if unset
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", value_parser = parsers::http_url)]
    pub otel_exporter_otlp_endpoint: Option<String>,

    /// Ask the running instance's /health and exit 0 or 1; of the settings only LISTEN_ADDR is read
    #[arg(long)]
    pub health: bool,
}

impl ProcessSettings {
    /// Warns that what listens on `addr` asks nobody who they are, if other machines reach it. `setting` would have it ask.
    pub fn warn_if_reachable(&self, addr: SocketAddr, setting: &str) {
        let is_reachable = |address: IpAddr| !address.is_loopback();
        if is_reachable(addr.ip()) && self.publish_address.is_none_or(is_reachable) {
            warn!(%addr, "other machines may reach {addr}, which asks nobody who they are: {setting} is not set");
        }
    }
}
