//! The settings of a message: how it is decoded, how it is stored in Redis, and what is published.

use std::time::Duration;

use chassis::parsers;
use chassis::settings::{self, SettingError};

use super::format::FormatConfig;
use crate::message::{
    Envelope, KeyTemplate, Nested, NonFinite, Notify, Nulls, Placeholder, Policy, StoreAs, Tombstones,
    TtlUnit,
};

/// What is done with the messages of a topic. The defaults are those of the batteries' contract.
#[derive(Clone, PartialEq, clap::Args)]
#[command(next_help_heading = "Messages")]
pub struct MappingConfig {
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

    /// Type of a key: hash, json (a string), stream (an entry for each message) or sorted-set (a member)
    #[arg(long, env = "STORE_AS", default_value = "hash")]
    store_as: StoreAs,

    /// Entries kept in a key's stream, approximately; 0 for all
    #[arg(long, env = "STREAM_MAX", default_value_t = 10_000)]
    stream_max: u32,

    /// Member of a sorted set, with placeholders as in KEY_TEMPLATE
    #[arg(long, env = "MEMBER_TEMPLATE")]
    member_template: Option<KeyTemplate>,

    /// Score of that member: a field or path, key, key.FIELD, header.NAME, partition or timestamp
    #[arg(long, env = "SCORE_FROM")]
    score_from: Option<Placeholder>,

    /// What is published on the channel that has the key's name: text (NOTIFY_TEXT), fields (the message's
    /// fields as JSON) or none
    #[arg(long, env = "NOTIFY", default_value = "text")]
    notify: Notify,

    /// The text that is published
    #[arg(long, env = "NOTIFY_TEXT", default_value = "updates")]
    notify_text: String,

    /// Whether it is published by SPUBLISH, for subscribers that use SSUBSCRIBE (Redis 7 or later)
    #[arg(long, env = "NOTIFY_SHARDED_PUBSUB", default_value = "false", value_parser = parsers::boolean, action = clap::ArgAction::Set)]
    notify_sharded_pubsub: bool,

    /// What is around the fields: none, or debezium (a change event, whose deletes delete the key)
    #[arg(long, env = "ENVELOPE", default_value = "none")]
    envelope: Envelope,

    #[command(flatten)]
    formats: FormatConfig,

    /// Objects and arrays in a message: json (stored as JSON), flatten (outer.inner) or reject (a dead
    /// letter)
    #[arg(long, env = "NESTED", default_value = "json")]
    nested: Nested,

    /// Fields that are null: store (as null), delete (the field) or skip (the field keeps its value)
    #[arg(long, env = "NULLS", default_value = "store")]
    nulls: Nulls,

    /// NaN, Infinity and -Infinity, which are not JSON: reject (a dead letter) or text (a string)
    #[arg(long, env = "NON_FINITE", default_value = "reject")]
    non_finite: NonFinite,

    /// Messages without a value: reject (a dead letter) or delete (the key of the id in the Kafka key)
    #[arg(long, env = "TOMBSTONES", default_value = "reject")]
    tombstones: Tombstones,

    /// How long a key lives after its last message; for ever if unset
    #[arg(long, env = "KEY_TTL", value_parser = parsers::duration)]
    key_ttl: Option<Duration>,

    /// Field, path, header.NAME, key.FIELD or timestamp that says how long a key lives, instead of KEY_TTL
    #[arg(long, env = "TTL_FROM")]
    ttl_from: Option<Placeholder>,

    /// What the number of TTL_FROM counts: seconds or ms from now on, or the seconds (epoch) or milliseconds
    /// (epoch-ms) since 1970 at which the key expires
    #[arg(long, env = "TTL_UNIT", default_value = "seconds")]
    ttl_unit: TtlUnit,

    /// Field, path, header.NAME, key.FIELD or timestamp by which an older message of a key is ignored
    #[arg(long, env = "NEWER_BY")]
    newer_by: Option<Placeholder>,

    /// How long NEWER_BY's value is known after a key was deleted or has expired
    #[arg(long, env = "VERSIONS_KEPT", default_value = "7d", value_parser = parsers::positive_duration)]
    versions_kept: Duration,

    /// Largest message that is applied
    #[arg(long, env = "MESSAGE_MAX", default_value = "16MB", value_parser = parsers::size)]
    message_max: usize,
}

impl Default for MappingConfig {
    fn default() -> Self {
        let none_is_set = settings::section_from_file(Vec::new(), "the defaults", Ok);
        none_is_set.expect("each setting has a default, or may be missing")
    }
}

impl MappingConfig {
    /// What is done with the messages.
    ///
    /// # Errors
    /// Names a setting that does not go with another.
    pub fn policy(&self) -> Result<Policy, SettingError> {
        let refuse = |setting: &'static str, problem| Err(SettingError::new(setting, problem));
        if self.nulls == Nulls::Delete && self.store_as != StoreAs::Hash {
            return refuse("NULLS", "must be store or skip unless STORE_AS is hash");
        }
        if self.newer_by.is_some() && matches!(self.store_as, StoreAs::Stream | StoreAs::SortedSet) {
            return refuse("NEWER_BY", "must not be set unless STORE_AS is hash or json");
        }
        let member = match (self.store_as, &self.member_template, &self.score_from) {
            (StoreAs::SortedSet, Some(member), Some(score)) => Some((member.clone(), score.clone())),
            (StoreAs::SortedSet, None, _) => {
                return refuse("MEMBER_TEMPLATE", "must be set for a sorted set");
            }
            (StoreAs::SortedSet, _, None) => return refuse("SCORE_FROM", "must be set for a sorted set"),
            (_, None, None) => None,
            (_, Some(_), _) => {
                return refuse("MEMBER_TEMPLATE", "must not be set unless STORE_AS is sorted-set");
            }
            (_, _, Some(_)) => return refuse("SCORE_FROM", "must not be set unless STORE_AS is sorted-set"),
        };
        Ok(Policy {
            key_template: self.keys()?,
            value: self.formats.value()?,
            key: self.formats.key()?,
            id_set: (self.id_set != "none").then(|| self.id_set.clone()),
            envelope: self.envelope,
            nested: self.nested,
            nulls: self.nulls,
            non_finite: self.non_finite,
            tombstones: self.tombstones,
            store_as: self.store_as,
            stream_max: self.stream_max,
            member,
            notify: self.notify,
            notify_text: self.notify_text.clone(),
            notify_sharded: self.notify_sharded_pubsub,
            key_ttl: self.key_ttl,
            ttl_from: self.ttl_from.clone(),
            ttl_unit: self.ttl_unit,
            newer_by: self.newer_by.clone(),
            versions_kept: self.versions_kept,
            max_bytes: self.message_max,
        })
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
}
