//! The settings of the timeline.

use chassis::parsers;

use crate::time::EpochMicros;

/// The timeline and the limits of requests.
#[derive(clap::Args)]
#[command(next_help_heading = "Timeline")]
pub struct TimelineConfig {
    /// Keep the timeline in Redis, shared by all instances
    #[arg(long, env = "USE_REDIS_BACKEND", default_value = "false", value_parser = parsers::boolean, action = clap::ArgAction::Set)]
    pub use_redis_backend: bool,

    /// A scenario that is posted again replaces the stored one; otherwise its steps are appended
    #[arg(long, env = "SCENARIO_OVERWRITE", default_value = "true", value_parser = parsers::boolean, action = clap::ArgAction::Set)]
    pub scenario_overwrite: bool,

    /// Where to start on the timeline: earliest, latest (from process start) or an ISO 8601 time with a zone
    #[arg(long, env = "CONSUME_FROM", default_value = "latest", value_parser = parse_consume_from)]
    pub consume_from: ConsumeFrom,

    /// Events that one instance may have published and not yet taken off the timeline, 1 to 10000
    #[arg(long, env = "CONSUME_BATCH_SIZE", default_value_t = 1000, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub consume_batch_size: u16,

    /// Accepted, but has no effect: an instance wakes when the next event is due
    #[arg(long, env = "CONSUME_FREQUENCY", hide = true)]
    pub consume_frequency: Option<String>,

    /// Largest body of a request
    #[arg(long, env = "MAX_BODY_BYTES", default_value = "32MB", value_parser = parsers::size)]
    pub max_body_bytes: usize,

    /// Largest sum of the bodies of all requests under way, at least MAX_BODY_BYTES; others wait
    #[arg(long, env = "MAX_BODIES_BYTES", default_value = "48MB", value_parser = parsers::size)]
    pub max_bodies_bytes: usize,

    /// Most steps of one scenario
    #[arg(long, env = "MAX_SCENARIO_STEPS", default_value_t = 500_000)]
    pub max_scenario_steps: usize,
}

/// Where on the timeline to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConsumeFrom {
    /// At its beginning.
    Earliest,
    /// At the time when the process started.
    Latest,
    /// At this time.
    Time(EpochMicros),
}

impl ConsumeFrom {
    /// The start in milliseconds. `None` means the time when the process started.
    pub(crate) fn start_ms(self) -> Option<i64> {
        match self {
            ConsumeFrom::Earliest => Some(0),
            ConsumeFrom::Latest => None,
            ConsumeFrom::Time(time) => Some(time.as_ms()),
        }
    }
}

fn parse_consume_from(text: &str) -> Result<ConsumeFrom, String> {
    match text.to_ascii_lowercase().as_str() {
        "earliest" => Ok(ConsumeFrom::Earliest),
        "latest" => Ok(ConsumeFrom::Latest),
        _ => EpochMicros::parse(text)
            .map(ConsumeFrom::Time)
            .map_err(|_| "must be earliest, latest or an ISO 8601 time with a zone".to_owned()),
    }
}
