//! A batch: messages of one partition, decoded and encoded for the script that applies them.
//!
//! The encoding is MessagePack, which Redis unpacks in C:
//!
//! ```text
//! batch   [ids, [message … one after the other]]
//! message offset, 0, Kafka key, reason, value                                                  dead letter
//!         offset, 1, key, id | false, notification | false, extras, count, field, value …      write
//!         offset, 2, key, id, notification | false, extras                                     delete
//!         offset, 3, key, id, notification | false, member                                     remove
//! extras  false | [version | false, [field to unset …] | false, command | false, ms | false]
//! ```
//!
//! A message of several rows is several of these with the same offset. The version is a text, since Lua's numbers are
//! not exact. The command sets when the key expires.
//!
//! The messages are one long array, because an array for each message would be slow: Redis's Lua grows every
//! array step by step. `ids` are the ids of all messages, which the script adds with one SADD. Only if
//! messages can delete ids does the order matter; then `ids` is empty and each write carries its own id.

mod encode;
mod msgpack;

use std::collections::HashSet;
use std::ops::Range;

use crate::message::{self, Change, Policy, Record, SchemaCache, SchemaId};
use encode::{encode_change, encode_dead_letter};

/// Messages of one partition in the order of their offsets.
#[derive(Default)]
pub struct Batch {
    messages: Vec<Message>,
    /// All messages as the script reads them.
    encoded: Vec<u8>,
    /// The Kafka keys and values of all messages. A message that Redis refuses becomes a dead letter with
    /// these.
    raw: Vec<u8>,
    ids: HashSet<String>,
    bad: Vec<BadOffset>,
}

/// A bad message of the batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadOffset {
    /// Its offset.
    pub offset: i64,
    /// Why it cannot be applied.
    pub reason: String,
}

/// Where one message is in the batch's buffers.
struct Message {
    offset: i64,
    encoded: Range<usize>,
    /// How many items of the long array it is.
    items: usize,
    raw_key: Range<usize>,
    raw_value: Range<usize>,
}

impl Batch {
    /// Decodes a message and adds it, as a change, as one for each of its rows, or as a dead letter. Offsets must rise.
    /// `schemas` are those of the registry, if there is one.
    ///
    /// # Errors
    /// The schema that must be loaded from the registry first. The message is not added then.
    pub fn push(
        &mut self,
        policy: &Policy,
        schemas: Option<&SchemaCache>,
        offset: i64,
        record: &Record<'_>,
    ) -> Result<(), SchemaId> {
        let unpacked = message::unpack(policy, schemas, record)?;
        let start = self.encoded.len();
        let (kafka_key, value) = (record.key.unwrap_or_default(), record.value.unwrap_or_default());
        let items = match unpacked.changes(policy) {
            Ok(changes) => changes.iter().map(|change| self.push_change(policy, offset, change)).sum(),
            Err(bad) => {
                let reason = bad.to_string();
                let items = encode_dead_letter(&mut self.encoded, offset, kafka_key, &reason, value);
                self.bad.push(BadOffset { offset, reason });
                items
            }
        };
        let encoded = start..self.encoded.len();
        let raw_key = append(&mut self.raw, kafka_key);
        let raw_value = append(&mut self.raw, value);
        self.messages.push(Message { offset, encoded, items, raw_key, raw_value });
        Ok(())
    }

    /// Turns the message at `offset`, which Redis refused, into a dead letter.
    pub fn make_dead_letter(&mut self, offset: i64, reason: &str) {
        if let Ok(index) = self.messages.binary_search_by_key(&offset, |message| message.offset) {
            let message = &mut self.messages[index];
            let start = self.encoded.len();
            let (kafka_key, value) =
                (&self.raw[message.raw_key.clone()], &self.raw[message.raw_value.clone()]);
            message.items = encode_dead_letter(&mut self.encoded, offset, kafka_key, reason, value);
            message.encoded = start..self.encoded.len();
            self.bad.push(BadOffset { offset, reason: reason.to_owned() });
        }
    }

    /// The messages from `offset` on, as the script reads them.
    pub fn encode_from(&self, offset: i64) -> Vec<u8> {
        let messages = &self.messages[self.messages.partition_point(|message| message.offset < offset)..];
        let mut out = Vec::with_capacity(self.encoded.len() + 16 * self.ids.len() + 16);
        msgpack::write_array_header(&mut out, 2);
        msgpack::write_array_header(&mut out, self.ids.len());
        for id in &self.ids {
            msgpack::write_string(&mut out, id.as_bytes());
        }
        msgpack::write_array_header(&mut out, messages.iter().map(|message| message.items).sum());
        for message in messages {
            out.extend_from_slice(&self.encoded[message.encoded.clone()]);
        }
        out
    }

    /// The messages that are dead letters, in no order.
    pub fn bad_messages(&self) -> &[BadOffset] {
        &self.bad
    }

    /// Number of messages.
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// True if there is no message.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Bytes of all Kafka keys and values.
    pub fn raw_bytes(&self) -> usize {
        self.raw.len()
    }

    /// Removes all messages. The buffers keep their memory.
    pub fn clear(&mut self) {
        self.messages.clear();
        self.encoded.clear();
        self.raw.clear();
        self.ids.clear();
        self.bad.clear();
    }

    /// Returns how many items the change is.
    fn push_change(&mut self, policy: &Policy, offset: i64, change: &Change<'_>) -> usize {
        let with_id = policy.deletes();
        if !with_id && !self.ids.contains(&*change.id) {
            self.ids.insert(change.id.clone().into_owned());
        }
        encode_change(&mut self.encoded, offset, &policy.key_template.key(&change.id), change, with_id)
    }
}

fn append(raw: &mut Vec<u8>, bytes: &[u8]) -> Range<usize> {
    let start = raw.len();
    raw.extend_from_slice(bytes);
    start..raw.len()
}
