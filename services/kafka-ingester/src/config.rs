//! The settings: where Kafka and Redis are, and what is done with a message.

mod format;
mod ingest_file;
mod kafka;
mod librdkafka;
mod mapping;
mod oauth;
mod registry;
mod write;

use chassis::http::HttpSettings;
use chassis::settings::{ProcessSettings, Service, SettingError, Settings};
use clap::{Parser, Subcommand};
use redis_core::RedisConfig;

pub use kafka::KafkaConfig;
pub use mapping::MappingConfig;
pub(crate) use oauth::{OAuthMethod, OidcClient};
pub use registry::RegistryConfig;
pub use write::WriteConfig;

use crate::mappings::Mappings;

/// Reads messages from Kafka, stores each in Redis and notifies subscribers that its key changed.
#[derive(Parser)]
#[command(about)]
pub struct Config {
    /// Where messages come from.
    #[command(flatten)]
    pub kafka: KafkaConfig,
    /// Where messages are stored.
    #[command(flatten)]
    pub redis: RedisConfig,
    /// Where schemas are.
    #[command(flatten)]
    pub(crate) registry: RegistryConfig,
    /// What is done with a message.
    #[command(flatten)]
    pub mapping: MappingConfig,
    /// How messages are written.
    #[command(flatten)]
    pub write: WriteConfig,
    #[command(flatten)]
    pub(crate) http: HttpSettings,
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
        match self.command {
            Some(Command::DeadLetters(_)) => {}
            Some(Command::Check { .. }) | None => self.kafka.check()?,
        }
        self.mappings().map(drop)
    }
}

impl Config {
    /// What is done with the messages of each topic: what `INGEST_CONFIG` says, or the variables.
    ///
    /// # Errors
    /// Names a setting or a line of the file that cannot be used.
    pub fn mappings(&self) -> Result<Mappings, SettingError> {
        let Some(file) = self.kafka.ingest_config() else {
            return Ok(Mappings::of_all(self.kafka.topics()?, self.mapping.policy()?));
        };
        if self.mapping != MappingConfig::default() {
            return Err(SettingError::new(
                "INGEST_CONFIG",
                "must have the settings of messages: none of them may be a variable beside it",
            ));
        }
        ingest_file::read(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chassis::settings::{from_vars, undocumented};

    const REQUIRED: [(&str, &str); 3] = [("KAFKA_TOPIC", "t"), ("KAFKA_BROKER", "b"), ("KAFKA_GROUP", "g")];

    fn read(vars: &[(&'static str, &'static str)]) -> Result<Config, SettingError> {
        from_vars(REQUIRED.into_iter().chain(vars.iter().copied()))
    }

    #[test]
    fn the_readme_names_every_setting() {
        assert_eq!(undocumented::<Config>(include_str!("../README.md")), [""; 0]);
    }

    #[test]
    fn settings_that_do_not_go_together_are_refused() {
        for (vars, reason) in [
            (
                vec![("NULLS", "delete"), ("STORE_AS", "json")],
                "NULLS must be store or skip unless STORE_AS is hash",
            ),
            (
                vec![("NEWER_BY", "v"), ("STORE_AS", "stream")],
                "NEWER_BY must not be set unless STORE_AS is hash or json",
            ),
            (
                vec![("STORE_AS", "sorted-set"), ("SCORE_FROM", "n")],
                "MEMBER_TEMPLATE must be set for a sorted set",
            ),
            (
                vec![("STORE_AS", "sorted-set"), ("MEMBER_TEMPLATE", "{m}")],
                "SCORE_FROM must be set for a sorted set",
            ),
            (vec![("SCORE_FROM", "n")], "SCORE_FROM must not be set unless STORE_AS is sorted-set"),
            (
                vec![("MEMBER_TEMPLATE", "{m}")],
                "MEMBER_TEMPLATE must not be set unless STORE_AS is sorted-set",
            ),
        ] {
            assert_eq!(read(&vars).err().unwrap().to_string(), reason);
        }
    }
}
