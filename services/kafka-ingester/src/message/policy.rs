//! The choices that a user has about how messages are decoded and stored.

use std::time::Duration;

use super::format::Encoding;
use super::key_template::KeyTemplate;
use super::placeholder::Placeholder;

/// How the messages of a topic are decoded and stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The Redis key of a message, and its id.
    pub key_template: KeyTemplate,
    /// How the value's bytes are to be understood.
    pub value: Encoding,
    /// How the Kafka key's bytes are to be understood.
    pub key: Encoding,
    /// The set that collects the ids.
    pub id_set: Option<String>,
    /// What is around the fields of a message.
    pub envelope: Envelope,
    /// What is done with objects and arrays in a message.
    pub nested: Nested,
    /// What is done with fields that are null.
    pub nulls: Nulls,
    /// What is done with NaN, Infinity and -Infinity in JSON.
    pub non_finite: NonFinite,
    /// What is done with messages that have no value.
    pub tombstones: Tombstones,
    /// What a key holds.
    pub store_as: StoreAs,
    /// Entries kept in a key's stream, approximately; 0 for all.
    pub stream_max: u32,
    /// The member of a sorted set, and the number that is its score.
    pub member: Option<(KeyTemplate, Placeholder)>,
    /// What is published.
    pub notify: Notify,
    /// The text that is published.
    pub notify_text: String,
    /// Whether it is published by sharded Pub/Sub.
    pub notify_sharded: bool,
    /// How long a key lives after its last message.
    pub key_ttl: Option<Duration>,
    /// What says how long a key lives, instead of `key_ttl`.
    pub ttl_from: Option<Placeholder>,
    /// What the number of `ttl_from` counts.
    pub ttl_unit: TtlUnit,
    /// What says which of two messages of a key is newer. An older one is ignored.
    pub newer_by: Option<Placeholder>,
    /// How long the version of a key is known after it was deleted or has expired.
    pub versions_kept: Duration,
    /// The largest value that is decoded, in bytes.
    pub max_bytes: usize,
}

impl Policy {
    /// True if messages can delete keys.
    pub fn deletes(&self) -> bool {
        self.tombstones == Tombstones::Delete || self.envelope == Envelope::Debezium
    }

    /// The command of Redis that publishes.
    pub(crate) fn publish_command(&self) -> &'static str {
        if self.notify_sharded { "SPUBLISH" } else { "PUBLISH" }
    }

    /// True if a header is used.
    pub(crate) fn needs_headers(&self) -> bool {
        self.has_placeholder(Placeholder::is_header)
    }

    /// True if the Kafka key of a message can matter.
    pub(super) fn needs_key(&self) -> bool {
        self.deletes() || self.has_placeholder(Placeholder::is_key)
    }

    fn has_placeholder(&self, is_wanted: fn(&Placeholder) -> bool) -> bool {
        let (member, score) = self.member.as_ref().map(|(member, score)| (member, score)).unzip();
        let templates = [Some(&self.key_template), member];
        let parts = [self.ttl_from.as_ref(), self.newer_by.as_ref(), score];
        templates.into_iter().flatten().any(|template| template.any(is_wanted))
            || parts.into_iter().flatten().any(is_wanted)
    }

    /// How many fields of the value the key and the member are made of.
    pub(super) fn field_count(&self) -> usize {
        self.key_template.field_count() + self.member.as_ref().map_or(0, |(member, _)| member.field_count())
    }
}

/// What the number that says how long a key lives counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum TtlUnit {
    /// Seconds from now on.
    Seconds,
    /// Milliseconds from now on.
    Ms,
    /// The seconds since 1970 at which it ends.
    Epoch,
    /// The milliseconds since 1970 at which it ends.
    EpochMs,
}

/// What is around the fields of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Envelope {
    /// Nothing.
    None,
    /// Debezium's change event. Deleted rows and messages without a value delete their key.
    Debezium,
}

/// What is done with objects and arrays in a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Nested {
    /// They are stored as compact JSON.
    Json,
    /// An object's fields become fields of their own, `outer.inner`. Arrays are stored as compact JSON.
    Flatten,
    /// The message becomes a dead letter.
    Reject,
}

/// What is done with fields that are null.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Nulls {
    /// They are stored as `null`.
    Store,
    /// The field is deleted.
    Delete,
    /// The field keeps its old value.
    Skip,
}

/// What is done with NaN, Infinity and -Infinity in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum NonFinite {
    /// The message becomes a dead letter.
    Reject,
    /// They are strings of these texts.
    Text,
}

/// What is done with messages that have no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Tombstones {
    /// They become dead letters.
    Reject,
    /// The id is the Kafka key, and its Redis key is deleted.
    Delete,
}

/// What a key holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum StoreAs {
    /// A hash of the fields. Fields that are not in a message keep their values.
    Hash,
    /// A string: the message's fields as compact JSON.
    Json,
    /// A stream with an entry for each message.
    Stream,
    /// A sorted set with a member of each message.
    SortedSet,
}

/// What is published on a key's channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Notify {
    /// The text of NOTIFY_TEXT.
    Text,
    /// The fields of the message, as compact JSON.
    Fields,
    /// Nothing.
    None,
}
