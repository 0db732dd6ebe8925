//! The settings: where Kafka and Redis are, and what becomes of a message.

use std::time::Duration;

use chassis::parsers;
use chassis::settings::{ProcessSettings, Service, SettingError, Settings};
use clap::{Parser, Subcommand};
use redis_core::RedisConfig;

use crate::record::{Nested, Notify, Nulls, Policy, StoreAs, Tombstones};
use crate::template::KeyTemplate;

/// Reads JSON messages from Kafka, stores each in Redis and tells subscribers that its key changed.
#[derive(Parser)]
#[command(about)]
pub struct Config {
    /// Where the messages come from.
    #[command(flatten)]
    pub kafka: KafkaConfig,
    /// Where they go.
    #[command(flatten)]
    pub redis: RedisConfig,
    /// What becomes of them.
    #[command(flatten)]
    pub write: WriteConfig,
    #[command(flatten)]
    pub(crate) process: ProcessSettings,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// What is done instead of ingesting.
#[derive(Subcommand, Clone, Copy)]
pub(crate) enum Command {
    /// Messages that could not be applied
    #[command(subcommand)]
    DeadLetters(DeadLettersCommand),
}

#[derive(Subcommand, Clone, Copy)]
pub(crate) enum DeadLettersCommand {
    /// Print them as JSON, one a line
    List,
    /// Apply them again by the present settings, and remove those that succeed
    Replay,
}

/// Where the messages come from.
#[derive(Clone, clap::Args)]
#[command(next_help_heading = "Kafka")]
pub struct KafkaConfig {
    /// Topic to read; several are separated by commas. Required
    #[arg(long, env = "KAFKA_TOPIC")]
    kafka_topic: Option<String>,

    /// Bootstrap servers, HOST:PORT separated by commas. Required
    #[arg(long, env = "KAFKA_BROKER")]
    kafka_broker: Option<String>,

    /// Consumer group; instances of one group share the partitions. Required
    #[arg(long, env = "KAFKA_GROUP")]
    kafka_group: Option<String>,

    /// Any property of librdkafka: KAFKA_CONF_SESSION_TIMEOUT_MS=6000 sets session.timeout.ms
    #[arg(long, env = "KAFKA_CONF_*", value_name = "PROPERTY=VALUE")]
    kafka_conf: Vec<String>,
}

/// What becomes of a message. The defaults are the batteries' contract.
#[derive(Clone, clap::Args)]
#[command(next_help_heading = "Messages")]
pub struct WriteConfig {
    /// Field that holds the id; it is taken out of the message
    #[arg(long, env = "KEY_FIELD", default_value = "battery_id")]
    pub(crate) key_field: String,

    /// Redis key of an id, with the key field in braces
    #[arg(long, env = "KEY_TEMPLATE", default_value = "battery:{battery_id}:data")]
    pub(crate) key_template: KeyTemplate,

    /// Set that collects the ids; none for no set
    #[arg(long, env = "ID_SET", default_value = "info:batteries:ids")]
    id_set: String,

    /// What a key holds: hash, json (a string) or stream (an entry a message)
    #[arg(long, env = "STORE_AS", default_value = "hash")]
    pub(crate) store_as: StoreAs,

    /// Entries kept in a key's stream, about; 0 for all
    #[arg(long, env = "STREAM_MAX", default_value_t = 10_000)]
    pub(crate) stream_max: u32,

    /// What is published on the channel of a key's name: text (NOTIFY_TEXT), fields (the message's, as JSON) or none
    #[arg(long, env = "NOTIFY", default_value = "text")]
    pub(crate) notify: Notify,

    /// The text that is published
    #[arg(long, env = "NOTIFY_TEXT", default_value = "updates")]
    pub(crate) notify_text: String,

    /// Objects and arrays in a message: json (stored as JSON), flatten (outer.inner) or reject (a dead letter)
    #[arg(long, env = "NESTED", default_value = "json")]
    nested: Nested,

    /// Null in a field: store (as null), delete (the field) or skip (the field keeps its value)
    #[arg(long, env = "NULLS", default_value = "store")]
    nulls: Nulls,

    /// Messages without a value: reject (a dead letter) or delete (the key that the Kafka key names)
    #[arg(long, env = "TOMBSTONES", default_value = "reject")]
    tombstones: Tombstones,

    /// How long a key lives after its last message; for ever if unset
    #[arg(long, env = "KEY_TTL", value_parser = parsers::duration)]
    pub(crate) ttl: Option<Duration>,

    /// Largest message that is applied
    #[arg(long, env = "MESSAGE_MAX", default_value = "16MB", value_parser = parsers::size)]
    message_max: usize,

    /// Most messages that one script call applies, 1 to 10000
    #[arg(long, env = "BATCH_MAX", default_value_t = 500, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub(crate) batch_max: u16,

    /// Dead letters kept in Redis, at least; older ones are dropped
    #[arg(long, env = "DEAD_LETTERS_MAX", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) dead_letters_max: u64,

    /// Kafka topic that dead letters are moved on to; they stay in Redis if unset
    #[arg(long, env = "DEAD_LETTERS_TOPIC")]
    pub(crate) dead_letters_topic: Option<String>,

    /// Percent of maxmemory at which ingesting pauses where Redis would refuse writes; 0 for never
    #[arg(long, env = "REDIS_MEMORY_PAUSE", default_value_t = 95, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub(crate) redis_memory_pause: u8,
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
        if self.process.health {
            return Ok(());
        }
        self.write.check()?;
        match self.command {
            Some(Command::DeadLetters(_)) => Ok(()),
            None => self.kafka.check(),
        }
    }
}

impl KafkaConfig {
    /// The topics, without repetition.
    pub fn topics(&self) -> Vec<String> {
        let mut topics: Vec<String> = Vec::new();
        for topic in self.kafka_topic.iter().flat_map(|topics| topics.split(',')).map(str::trim) {
            if !topic.is_empty() && !topics.iter().any(|known| known == topic) {
                topics.push(topic.to_owned());
            }
        }
        topics
    }

    /// The bootstrap servers.
    pub fn broker(&self) -> &str {
        self.kafka_broker.as_deref().unwrap_or_default()
    }

    /// The consumer group.
    pub fn group(&self) -> &str {
        self.kafka_group.as_deref().unwrap_or_default()
    }

    /// librdkafka's properties by their own names, as the user set them: the variable's part after `KAFKA_CONF_`, value.
    pub(crate) fn properties(&self) -> impl Iterator<Item = (Property, &str)> {
        self.kafka_conf.iter().map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (
                Property {
                    variable: format!("KAFKA_CONF_{}", name.to_uppercase().replace('.', "_")),
                    name: name.to_lowercase().replace('_', "."),
                },
                value,
            )
        })
    }

    fn check(&self) -> Result<(), SettingError> {
        let required = [
            ("KAFKA_TOPIC", &self.kafka_topic),
            ("KAFKA_BROKER", &self.kafka_broker),
            ("KAFKA_GROUP", &self.kafka_group),
        ];
        for (variable, value) in required {
            if value.is_none() {
                return Err(SettingError::new(variable, "must be set"));
            }
        }
        if self.topics().is_empty() {
            return Err(SettingError::new("KAFKA_TOPIC", "must name a topic"));
        }
        let bad_name = |topic: &String| {
            topic.len() > 249 || !topic.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
        };
        if self.topics().iter().any(bad_name) {
            return Err(SettingError::new(
                "KAFKA_TOPIC",
                "must be names of 1 to 249 of A-Z a-z 0-9 . _ -, separated by commas",
            ));
        }
        crate::kafka::check(self)
    }
}

/// A property of librdkafka and the variable that sets it.
pub(crate) struct Property {
    pub(crate) variable: String,
    pub(crate) name: String,
}

impl WriteConfig {
    /// The set that collects the ids.
    pub(crate) fn id_set(&self) -> Option<&str> {
        (self.id_set != "none").then_some(self.id_set.as_str())
    }

    /// How messages become changes.
    pub fn policy(&self) -> Policy {
        Policy {
            key_field: self.key_field.clone(),
            key: self.key_template.clone(),
            nested: self.nested,
            nulls: self.nulls,
            tombstones: self.tombstones,
            store_as: self.store_as,
            notify: self.notify,
            max_bytes: self.message_max,
        }
    }

    fn check(&self) -> Result<(), SettingError> {
        if self.key_template.placeholder() != self.key_field {
            return Err(SettingError::new(
                "KEY_TEMPLATE",
                format!("must hold {{{}}}, the field of KEY_FIELD", self.key_field),
            ));
        }
        if self.nulls == Nulls::Delete && self.store_as != StoreAs::Hash {
            return Err(SettingError::new("NULLS", "must be store or skip unless STORE_AS is hash"));
        }
        Ok(())
    }
}
