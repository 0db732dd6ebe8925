//! The settings. Their doc comments are the lines of `--help`.

use std::time::Duration;

use chassis::{ProcessSettings, Service, SettingError, Settings, parsers};
use redis_core::RedisConfig;
use ws_chassis::SocketSettings;
use ws_server::{Options, Overflow};

use crate::intervals::ReadIntervals;
use crate::rules::Rules;

/// The settings of preflight.
#[derive(clap::Parser)]
#[command(about = "Shows browsers, live, which steps of a run's preparation are done and up to date")]
pub struct Config {
    #[command(flatten)]
    pub(crate) process: ProcessSettings,
    #[command(flatten)]
    pub(crate) redis: RedisConfig,
    #[command(flatten)]
    checklist: ChecklistSettings,
    #[command(flatten)]
    pub(crate) sockets: SocketSettings,
}

#[derive(clap::Args)]
#[command(next_help_heading = "Checklist")]
struct ChecklistSettings {
    /// The checklist: weppcloud2, wepppy, or the path of a rules file (TOML)
    #[arg(long, env = "PREFLIGHT_RULES", default_value = "weppcloud2", value_parser = Rules::load)]
    rules: Rules,

    /// How often a watched run is read when no change was reported
    #[arg(long, env = "PREFLIGHT_RECHECK_INTERVAL", default_value = "30s", value_parser = parsers::positive_duration)]
    recheck_interval: Duration,

    /// How often a watched run is read while Redis does not report changes
    #[arg(long, env = "PREFLIGHT_POLL_INTERVAL", default_value = "1s", value_parser = parsers::positive_duration)]
    poll_interval: Duration,

    /// The largest run: the bytes of its fields' names and values; viewers of a larger one are refused
    #[arg(long, env = "PREFLIGHT_MAX_RUN_SIZE", default_value = "1MB", value_parser = parsers::size)]
    max_run_size: usize,

    /// The most runs that are watched at once; viewers of more are refused with 503
    #[arg(long, env = "PREFLIGHT_MAX_RUNS", default_value_t = 20_000)]
    max_runs: usize,

    /// The most runs that one socket may watch
    #[arg(long, env = "PREFLIGHT_MAX_RUNS_PER_CLIENT", default_value_t = 100)]
    max_runs_per_client: usize,
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

    fn check(&self) -> Result<(), SettingError> {
        self.sockets.check(Self::SERVICE)
    }

    fn max_connections(&self) -> Option<usize> {
        Some(self.sockets.max_connections())
    }
}

impl Config {
    pub(crate) fn rules(&self) -> Rules {
        self.checklist.rules.clone()
    }

    pub(crate) fn intervals(&self) -> ReadIntervals {
        ReadIntervals { recheck: self.checklist.recheck_interval, poll: self.checklist.poll_interval }
    }

    pub(crate) fn max_run_bytes(&self) -> usize {
        self.checklist.max_run_size
    }

    pub(crate) fn max_runs(&self) -> usize {
        self.checklist.max_runs
    }

    pub(crate) fn max_runs_per_client(&self) -> usize {
        self.checklist.max_runs_per_client
    }

    pub(crate) fn socket_options(&self) -> Options {
        // Each message is the whole checklist, so a slow client needs only the latest.
        self.sockets.options(&self.process, Overflow::KeepLatest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_names_every_setting() {
        assert_eq!(chassis::settings::undocumented::<Config>(include_str!("../README.md")), [""; 0]);
    }
}
