//! The settings of writing that are the same for all topics: batches, dead letters, Redis's memory.

use chassis::parsers;

/// How messages get to Redis, whatever they are.
#[derive(Clone, clap::Args)]
#[command(next_help_heading = "Writing")]
pub struct WriteConfig {
    /// Most messages that one script call applies, 1 to 10000
    #[arg(long, env = "BATCH_MAX", default_value_t = 500, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub(crate) batch_max: u16,

    /// Dead letters kept in Redis, at least; older ones are dropped
    #[arg(long, env = "DEAD_LETTERS_MAX", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) dead_letters_max: u64,

    /// Kafka topic that dead letters are moved on to; they stay in Redis if unset
    #[arg(long, env = "DEAD_LETTERS_TOPIC")]
    pub(crate) dead_letters_topic: Option<String>,

    /// Whether a partition stops, with the reason in /ready, after 1,000 bad messages in a row
    #[arg(long, env = "BAD_MESSAGES_PAUSE", default_value = "true", value_parser = parsers::boolean, action = clap::ArgAction::Set)]
    pub(crate) bad_messages_pause: bool,

    /// Percent of maxmemory at which ingesting pauses, if Redis would refuse writes when it is full; 0 for
    /// never
    #[arg(long, env = "REDIS_MEMORY_PAUSE", default_value_t = 95, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub(crate) redis_memory_pause: u8,
}
