//! The settings of writing: how a message is stored in Redis, and what is published.

use std::time::Duration;

use chassis::parsers;
use chassis::settings::SettingError;

use crate::message::{Envelope, KeyTemplate, Nested, Notify, Nulls, Policy, StoreAs, Tombstones};

/// How messages are stored. The defaults are those of the batteries' contract.
#[derive(Clone, clap::Args)]
#[command(next_help_heading = "Messages")]
pub struct WriteConfig {
    /// Field that holds the id, which KEY_TEMPLATE must name; if unset, KEY_TEMPLATE says it
    #[arg(long, env = "KEY_FIELD")]
    key_field: Option<String>,

    /// Redis key of a message, with fields of the message in braces; also key, key.FIELD, header.NAME, topic,
    /// partition and timestamp
    #[arg(long, env = "KEY_TEMPLATE", default_value = "battery:{battery_id}:data")]
    key_template: KeyTemplate,

    /// Redis set that collects the ids, or none
    #[arg(long, env = "ID_SET", default_value = "info:batteries:ids")]
    id_set: String,

    /// Type of a key: hash, json (a string) or stream (an entry for each message)
    #[arg(long, env = "STORE_AS", default_value = "hash")]
    pub(crate) store_as: StoreAs,

    /// Entries kept in a key's stream, approximately; 0 for all
    #[arg(long, env = "STREAM_MAX", default_value_t = 10_000)]
    pub(crate) stream_max: u32,

    /// What is published on the channel that has the key's name: text (NOTIFY_TEXT), fields (the message's
    /// fields as JSON) or none
    #[arg(long, env = "NOTIFY", default_value = "text")]
    pub(crate) notify: Notify,

    /// The text that is published
    #[arg(long, env = "NOTIFY_TEXT", default_value = "updates")]
    pub(crate) notify_text: String,

    /// What is around the fields: none, or debezium (a change event, whose deletes delete the key)
    #[arg(long, env = "ENVELOPE", default_value = "none")]
    envelope: Envelope,

    /// Objects and arrays in a message: json (stored as JSON), flatten (outer.inner) or reject (a dead
    /// letter)
    #[arg(long, env = "NESTED", default_value = "json")]
    nested: Nested,

    /// Fields that are null: store (as null), delete (the field) or skip (the field keeps its value)
    #[arg(long, env = "NULLS", default_value = "store")]
    nulls: Nulls,

    /// Messages without a value: reject (a dead letter) or delete (the key of the id in the Kafka key)
    #[arg(long, env = "TOMBSTONES", default_value = "reject")]
    tombstones: Tombstones,

    /// How long a key lives after its last message; for ever if unset
    #[arg(long, env = "KEY_TTL", value_parser = parsers::duration)]
    pub(crate) key_ttl: Option<Duration>,

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

    /// Whether a partition stops, with the reason in /ready, after 1,000 bad messages in a row
    #[arg(long, env = "BAD_MESSAGES_PAUSE", default_value = "true", value_parser = parsers::boolean, action = clap::ArgAction::Set)]
    pub(crate) bad_messages_pause: bool,

    /// Percent of maxmemory at which ingesting pauses, if Redis would refuse writes when it is full; 0 for
    /// never
    #[arg(long, env = "REDIS_MEMORY_PAUSE", default_value_t = 95, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub(crate) redis_memory_pause: u8,
}

impl WriteConfig {
    /// The set that collects the ids.
    pub(crate) fn id_set(&self) -> Option<&str> {
        (self.id_set != "none").then_some(self.id_set.as_str())
    }

    /// How messages are decoded.
    pub fn policy(&self) -> Policy {
        Policy {
            key_template: self.keys().unwrap_or_else(|_| self.key_template.clone()),
            envelope: self.envelope,
            nested: self.nested,
            nulls: self.nulls,
            tombstones: self.tombstones,
            store_as: self.store_as,
            notify: self.notify,
            max_bytes: self.message_max,
        }
    }

    /// The template of the keys. KEY_FIELD is a field, also if its name means something else.
    fn keys(&self) -> Result<KeyTemplate, SettingError> {
        let Some(field) = &self.key_field else { return Ok(self.key_template.clone()) };
        if !self.key_template.has(field) {
            let must_hold = format!("must hold {{{field}}}, the field of KEY_FIELD");
            return Err(SettingError::new("KEY_TEMPLATE", must_hold));
        }
        let keys = self.key_template.clone().with_field(field);
        keys.map_err(|_| SettingError::new("KEY_FIELD", "must be a field or a path, such as actor.login"))
    }

    pub(super) fn check(&self) -> Result<(), SettingError> {
        self.keys()?;
        if self.nulls == Nulls::Delete && self.store_as != StoreAs::Hash {
            return Err(SettingError::new("NULLS", "must be store or skip unless STORE_AS is hash"));
        }
        Ok(())
    }
}
