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
//!
//! On a Cluster each shard gets the messages of its own hash slots: see [`ShardPart`].

mod encode;
mod msgpack;
mod shard_part;
mod slot_messages;

use std::collections::HashSet;
use std::ops::Range;

use redis_core::key::hash_slot;
use tracing::Span;

use crate::message::{self, Change, Policy, Record, SchemaCache, SchemaId};
use encode::{encode_change, encode_dead_letter};

pub use shard_part::ShardPart;
pub use slot_messages::SlotMessages;

/// Messages of one partition in the order of their offsets.
#[derive(Default)]
pub struct Batch {
    messages: Vec<Message>,
    /// What the messages are made of, in the same order.
    parts: Vec<Part>,
    /// All parts as the scripts read them.
    encoded: Vec<u8>,
    /// The Kafka keys and values of all messages. A message that Redis refuses becomes a dead letter with
    /// these.
    raw: Vec<u8>,
    ids: HashSet<String>,
    bad: Vec<BadOffset>,
    /// Of messages that are traced.
    spans: Vec<Span>,
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
    /// Its changes; or the one dead letter that it is.
    parts: Range<usize>,
    is_bad: bool,
    raw_key: Range<usize>,
    raw_value: Range<usize>,
}

/// A change or a dead letter.
struct Part {
    /// The hash slot of a change's key.
    slot: u16,
    encoded: Range<usize>,
    /// How many items of the long array it is.
    items: usize,
}

/// What a batch comes to if Redis refuses none of its messages.
#[derive(Debug, PartialEq, Eq)]
pub struct Tally {
    /// The offset up to which messages may be applied: that after the batch, or that of a bad message before which as many were
    /// bad as it takes to stop the partition.
    pub end: i64,
    /// Changes before it.
    pub applied: u64,
    /// Dead letters before it.
    pub dead_letters: u64,
    /// How many messages before it are bad in a row.
    pub bad_in_row: u32,
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
        let first = self.parts.len();
        let (kafka_key, value) = (record.key.unwrap_or_default(), record.value.unwrap_or_default());
        let changes = unpacked.changes(policy);
        let is_bad = changes.is_err();
        match changes {
            Ok(changes) => changes.iter().for_each(|change| self.push_change(policy, offset, change)),
            Err(bad) => self.push_dead_letter(offset, kafka_key, bad.to_string(), value),
        }
        let raw_key = append(&mut self.raw, kafka_key);
        let raw_value = append(&mut self.raw, value);
        let parts = first..self.parts.len();
        self.messages.push(Message { offset, parts, is_bad, raw_key, raw_value });
        Ok(())
    }

    /// Turns the message at `offset`, which Redis refused, into a dead letter.
    pub fn make_dead_letter(&mut self, offset: i64, reason: &str) {
        if let Ok(index) = self.messages.binary_search_by_key(&offset, |message| message.offset) {
            let Message { raw_key, raw_value, .. } = &self.messages[index];
            let (kafka_key, value) =
                (self.raw[raw_key.clone()].to_vec(), self.raw[raw_value.clone()].to_vec());
            let first = self.parts.len();
            self.push_dead_letter(offset, &kafka_key, reason.to_owned(), &value);
            let message = &mut self.messages[index];
            (message.parts, message.is_bad) = (first..self.parts.len(), true);
        }
    }

    /// The messages from `offset` on, as the script reads them.
    pub fn encode_from(&self, offset: i64) -> Vec<u8> {
        let parts = || self.messages_in(offset..i64::MAX).iter().flat_map(|message| self.parts_of(message));
        let mut out = Vec::with_capacity(self.encoded.len() + 16 * self.ids.len() + 16);
        msgpack::write_array_header(&mut out, 2);
        msgpack::write_array_header(&mut out, self.ids.len());
        for id in &self.ids {
            msgpack::write_string(&mut out, id.as_bytes());
        }
        msgpack::write_array_header(&mut out, parts().map(|part| part.items).sum());
        for part in parts() {
            out.extend_from_slice(&self.encoded[part.encoded.clone()]);
        }
        out
    }

    /// The changes that messages of these offsets make, by hash slot.
    pub fn by_slot(&self, offsets: Range<i64>) -> Vec<SlotMessages<'_>> {
        let good = self.messages_in(offsets).iter().filter(|message| !message.is_bad);
        let mut parts: Vec<&Part> = good.flat_map(|message| self.parts_of(message)).collect();
        // Stable: what is in one slot stays in order.
        parts.sort_by_key(|part| part.slot);
        let encoded = |part: &&Part| &self.encoded[part.encoded.clone()];
        let of_slot = |parts: &[&Part]| SlotMessages {
            slot: parts[0].slot,
            items: parts.iter().map(|part| part.items).sum(),
            encoded: parts.iter().map(encoded).collect(),
        };
        parts.chunk_by(|a, b| a.slot == b.slot).map(of_slot).collect()
    }

    /// Adds the dead letters of these offsets to what a shard gets.
    pub fn add_dead_letters(&self, offsets: Range<i64>, shard_part: &mut ShardPart) {
        let bad = self.messages_in(offsets).iter().filter(|message| message.is_bad);
        for part in bad.flat_map(|message| self.parts_of(message)) {
            shard_part.add_dead_letter(part.items, &self.encoded[part.encoded.clone()]);
        }
    }

    /// What this batch, whose last offset is the one before `end`, comes to. `bad_in_row` messages before it are bad, and at
    /// `bad_in_row_max` the partition stops; 0 for never.
    pub fn tally(&self, end: i64, mut bad_in_row: u32, bad_in_row_max: u32) -> Tally {
        let (mut applied, mut dead_letters) = (0, 0);
        for message in &self.messages {
            if message.is_bad {
                if bad_in_row_max > 0 && bad_in_row >= bad_in_row_max {
                    return Tally { end: message.offset, applied, dead_letters, bad_in_row };
                }
                (dead_letters, bad_in_row) = (dead_letters + 1, bad_in_row.saturating_add(1));
            } else if !message.parts.is_empty() {
                (applied, bad_in_row) = (applied + message.parts.len() as u64, 0);
            }
        }
        Tally { end, applied, dead_letters, bad_in_row }
    }

    /// The ids of all messages, as the set of ids gets them.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.ids.iter().map(String::as_str)
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

    /// Keeps the spans of messages until the batch is cleared: then they have been applied.
    pub fn keep_spans(&mut self, spans: impl IntoIterator<Item = Span>) {
        self.spans.extend(spans);
    }

    /// Removes all messages, and ends their spans. The buffers keep their memory.
    pub fn clear(&mut self) {
        self.messages.clear();
        self.parts.clear();
        self.encoded.clear();
        self.raw.clear();
        self.ids.clear();
        self.bad.clear();
        self.spans.clear();
    }

    fn push_change(&mut self, policy: &Policy, offset: i64, change: &Change<'_>) {
        let with_id = policy.deletes();
        if !with_id && !self.ids.contains(&*change.id) {
            self.ids.insert(change.id.clone().into_owned());
        }
        let (start, key) = (self.encoded.len(), policy.key_template.key(&change.id));
        let items = encode_change(&mut self.encoded, offset, &key, change, with_id);
        self.parts.push(Part { slot: hash_slot(&key), encoded: start..self.encoded.len(), items });
    }

    fn push_dead_letter(&mut self, offset: i64, kafka_key: &[u8], reason: String, value: &[u8]) {
        let start = self.encoded.len();
        let items = encode_dead_letter(&mut self.encoded, offset, kafka_key, &reason, value);
        self.parts.push(Part { slot: 0, encoded: start..self.encoded.len(), items });
        self.bad.push(BadOffset { offset, reason });
    }

    fn messages_in(&self, offsets: Range<i64>) -> &[Message] {
        let place = |offset| self.messages.partition_point(|message| message.offset < offset);
        let (start, end) = (place(offsets.start), place(offsets.end));
        &self.messages[start..end.max(start)]
    }

    fn parts_of(&self, message: &Message) -> &[Part] {
        &self.parts[message.parts.clone()]
    }
}

fn append(raw: &mut Vec<u8>, bytes: &[u8]) -> Range<usize> {
    let start = raw.len();
    raw.extend_from_slice(bytes);
    start..raw.len()
}

#[cfg(test)]
mod tests;
