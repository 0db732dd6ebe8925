//! The settings: where Kafka and Redis are, and what is done with a message.

mod kafka;
mod librdkafka;
mod write;

use chassis::settings::{ProcessSettings, Service, SettingError, Settings};
use clap::{Parser, Subcommand};
use redis_core::RedisConfig;

pub use kafka::KafkaConfig;
pub use write::WriteConfig;

/// Reads JSON messages from Kafka, stores each in Redis and notifies subscribers that its key changed.
#[derive(Parser)]
#[command(about)]
pub struct Config {
    /// Where messages come from.
    #[command(flatten)]
    pub kafka: KafkaConfig,
    /// Where messages are stored.
    #[command(flatten)]
    pub redis: RedisConfig,
    /// How messages are stored.
    #[command(flatten)]
    pub write: WriteConfig,
    #[command(flatten)]
    pub(crate) process: ProcessSettings,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// A command that runs once, instead of the ingester.
#[derive(Subcommand, Clone, Copy)]
pub(crate) enum Command {
    /// Messages that could not be applied
    #[command(subcommand)]
    DeadLetters(DeadLettersCommand),
    /// Print what the topics' first messages would become, without writing anything
    Check {
        /// How many messages are read at most
        #[arg(long, default_value_t = 10)]
        sample: usize,
    },
}

#[derive(Subcommand, Clone, Copy)]
pub(crate) enum DeadLettersCommand {
    /// Print them as JSON, one a line
    List,
    /// Apply them again with the present settings, and remove those that succeed
    Replay,
}

impl Settings for Config {
    const SERVICE: Service = Service {
        name: "kafka-ingester",
        version: env!("CARGO_PKG_VERSION"),
        prefix: "",
        defaults: &[("LISTEN_ADDR", ":9101")],
    };

    fn process(&self) -> &ProcessSettings {
        &self.process
    }

    fn check(&self) -> Result<(), SettingError> {
        self.write.check()?;
        match self.command {
            Some(Command::DeadLetters(_)) => Ok(()),
            Some(Command::Check { .. }) | None => self.kafka.check(),
        }
    }
}
