//! The settings. Their doc comments are the lines of `--help`.

use std::time::Duration;

use chassis::{ProcessSettings, Service, SettingError, Settings, parsers};
use redis_core::RedisConfig;
use ws_chassis::SocketSettings;
use ws_server::{Options, Overflow};

use crate::line_limit::LineLimit;
use crate::replay_buffer::Retention;

/// The settings of status-proxy.
#[derive(clap::Parser)]
#[command(about = "Carries the status lines of long-running work from Redis Pub/Sub to browsers")]
pub struct Config {
    #[command(flatten)]
    /// The settings that every process has.
    pub process: ProcessSettings,
    #[command(flatten)]
    pub(crate) redis: RedisConfig,
    /// true: also sends the lines that are published by SPUBLISH (Redis 7.0.3 or later); needs STATUS_HISTORY=memory
    #[arg(long, env = "STATUS_SHARDED_PUBSUB", default_value = "false", value_parser = parsers::boolean, action = clap::ArgAction::Set, help_heading = "Redis")]
    sharded_pubsub: bool,

    #[command(flatten)]
    history: History,
    #[command(flatten)]
    pub(crate) sockets: SocketSettings,

    /// The most bytes that wait for a slow client; at the next line it is closed with 1013
    #[arg(long, env = "STATUS_OUTBOX_SIZE", default_value = "1MB", value_parser = parsers::size, help_heading = "Sockets")]
    outbox_size: usize,

    /// The most channels that this instance keeps; a client that would make it one more is refused with 503
    #[arg(long, env = "STATUS_MAX_CHANNELS", default_value_t = 100_000, help_heading = "Sockets")]
    max_channels: usize,

    /// The most channels that one socket may watch, with those that it asks for by `subscribe`
    #[arg(
        long,
        env = "STATUS_MAX_SUBSCRIPTIONS_PER_CLIENT",
        default_value_t = 100,
        help_heading = "Sockets"
    )]
    max_subscriptions_per_client: usize,

    /// The longest frame of a line in bytes, at least 4KB; a longer line is cut off, and ends with a mark
    #[arg(long, env = "STATUS_MAX_LINE_SIZE", default_value = "1MB", value_parser = line_size, help_heading = "Sockets")]
    max_line_size: usize,
}

fn line_size(text: &str) -> Result<usize, String> {
    let bytes = parsers::size(text)?;
    if bytes >= LineLimit::MIN { Ok(bytes) } else { Err("must be at least 4KB".to_owned()) }
}

#[derive(clap::Args)]
#[command(next_help_heading = "History")]
struct History {
    /// memory: lines of channels with viewers, in this process; redis: lines of all channels, for all instances
    #[arg(long, env = "STATUS_HISTORY", value_enum, default_value_t = HistoryLocation::Memory)]
    history: HistoryLocation,

    /// The most lines kept of a channel
    #[arg(long, env = "STATUS_HISTORY_LINES", default_value_t = 1000)]
    history_lines: usize,

    /// The most bytes of text kept of a channel, in memory and in Redis
    #[arg(long, env = "STATUS_HISTORY_SIZE", default_value = "256KB", value_parser = parsers::size)]
    history_size: usize,

    /// The most bytes of lines that this process keeps in memory, of all channels together; the oldest are dropped
    #[arg(long, env = "STATUS_HISTORY_TOTAL_SIZE", default_value = "256MB", value_parser = parsers::size)]
    history_total_size: usize,

    /// The greatest age of a kept line; also how long a channel is kept after its last viewer (memory) or line (redis)
    #[arg(long, env = "STATUS_HISTORY_AGE", default_value = "10m", value_parser = parsers::positive_duration)]
    history_age: Duration,
}

/// Where history is kept.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "lower")]
enum HistoryLocation {
    Memory,
    Redis,
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

    fn check(&self) -> Result<(), SettingError> {
        if self.sharded_pubsub && self.has_history_in_redis() {
            let problem =
                "must be false with STATUS_HISTORY=redis: nobody can subscribe to all channels by SSUBSCRIBE";
            return Err(SettingError::new("STATUS_SHARDED_PUBSUB", problem));
        }
        self.sockets.check(Self::SERVICE)
    }

    fn max_connections(&self) -> Option<usize> {
        Some(self.sockets.max_connections())
    }
}

impl Config {
    /// Whether history is kept in Redis.
    pub(crate) fn has_history_in_redis(&self) -> bool {
        self.history.history == HistoryLocation::Redis
    }

    /// Whether it also listens to what is published by SPUBLISH.
    pub(crate) fn has_sharded_pubsub(&self) -> bool {
        self.sharded_pubsub
    }

    pub(crate) fn retention(&self) -> Retention {
        Retention {
            lines: self.history.history_lines,
            bytes: self.history.history_size,
            age: self.history.history_age,
        }
    }

    /// The most bytes of lines in memory.
    pub(crate) fn history_total_size(&self) -> usize {
        self.history.history_total_size
    }

    /// The most channels of this instance.
    pub(crate) fn max_channels(&self) -> usize {
        self.max_channels
    }

    /// The most channels of one socket.
    pub(crate) fn max_subscriptions_per_client(&self) -> usize {
        self.max_subscriptions_per_client
    }

    pub(crate) fn line_limit(&self) -> LineLimit {
        LineLimit::new(self.max_line_size)
    }

    pub(crate) fn socket_options(&self) -> Options {
        // No line may be dropped: a client that is too slow is closed, and resumes later.
        self.sockets.options(&self.process, Overflow::Close { max_bytes: self.outbox_size })
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
