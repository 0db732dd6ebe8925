//! The choices that a user has about how messages are decoded and stored.

use super::key_template::KeyTemplate;

/// How messages are decoded. The settings' defaults are those of the batteries' contract.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The Redis key of a message, and its id.
    pub key_template: KeyTemplate,
    /// What is around the fields of a message.
    pub envelope: Envelope,
    /// What is done with objects and arrays in a message.
    pub nested: Nested,
    /// What is done with fields that are null.
    pub nulls: Nulls,
    /// What is done with messages that have no value.
    pub tombstones: Tombstones,
    /// What a key holds.
    pub store_as: StoreAs,
    /// What is published.
    pub notify: Notify,
    /// The largest value that is decoded, in bytes.
    pub max_bytes: usize,
}

impl Policy {
    /// True if messages can delete keys.
    pub fn deletes(&self) -> bool {
        self.tombstones == Tombstones::Delete || self.envelope == Envelope::Debezium
    }
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
