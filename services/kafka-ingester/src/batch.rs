//! Changes of one partition on their way to the apply script: a MessagePack text that Redis unpacks in C.
//!
//! ```text
//! batch   [ids, [message … one after the other]]
//! message offset, 1, key, id | false, notice | false, [field to unset …] | false, count, field, value …   write
//!         offset, 2, key, id, notice | false                                                              delete
//!         offset, 0, Kafka key, reason, value                                                             dead letter
//! ```
//! One long array, because Redis's Lua would grow an array of each message step by step. A message's id stands in `ids`, which is one SADD for all, or in the message where their order matters.

use std::collections::HashSet;
use std::ops::Range;

use crate::msgpack;
use crate::record::{self, Action, Change, Policy, Tombstones};

/// Messages of one partition in its order, each with what is needed to make it a dead letter.
#[derive(Default)]
pub struct Batch {
    messages: Vec<Message>,
    packed: Vec<u8>,
    /// Kafka key and value of each message, for the case that Redis refuses it.
    raw: Vec<u8>,
    ids: HashSet<String>,
}

struct Message {
    offset: i64,
    packed: Range<usize>,
    /// How many items of the array it is.
    items: usize,
    raw_key: Range<usize>,
    raw_value: Range<usize>,
}

impl Batch {
    /// Decodes a message and adds it, as a change or as a dead letter. Offsets must rise.
    pub fn push(&mut self, policy: &Policy, offset: i64, key: Option<&[u8]>, value: Option<&[u8]>) {
        let from = self.packed.len();
        let items = match record::decode(policy, key, value) {
            Ok(change) => self.pack(policy, offset, &change),
            Err(bad) => pack_dead(
                &mut self.packed,
                offset,
                key.unwrap_or_default(),
                &bad.to_string(),
                value.unwrap_or_default(),
            ),
        };
        let packed = from..self.packed.len();
        let raw_key = append(&mut self.raw, key.unwrap_or_default());
        let raw_value = append(&mut self.raw, value.unwrap_or_default());
        self.messages.push(Message { offset, packed, items, raw_key, raw_value });
    }

    /// Makes the message at `offset` a dead letter, because Redis refused it.
    pub fn refuse(&mut self, offset: i64, reason: &str) {
        if let Ok(place) = self.messages.binary_search_by_key(&offset, |message| message.offset) {
            let message = &mut self.messages[place];
            let from = self.packed.len();
            let (key, value) = (&self.raw[message.raw_key.clone()], &self.raw[message.raw_value.clone()]);
            message.items = pack_dead(&mut self.packed, offset, key, reason, value);
            message.packed = from..self.packed.len();
        }
    }

    /// The text for the script, of all messages from `offset` on.
    pub fn text_from(&self, offset: i64) -> Vec<u8> {
        let messages = &self.messages[self.messages.partition_point(|message| message.offset < offset)..];
        let mut text = Vec::with_capacity(self.packed.len() + 16 * self.ids.len() + 16);
        msgpack::array(&mut text, 2);
        msgpack::array(&mut text, self.ids.len());
        for id in &self.ids {
            msgpack::text(&mut text, id.as_bytes());
        }
        msgpack::array(&mut text, messages.iter().map(|message| message.items).sum());
        for message in messages {
            text.extend_from_slice(&self.packed[message.packed.clone()]);
        }
        text
    }

    /// Number of messages.
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// True if there is no message.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Bytes of keys and values.
    pub fn bytes(&self) -> usize {
        self.raw.len()
    }

    /// Forgets all messages and keeps the memory.
    pub fn clear(&mut self) {
        self.messages.clear();
        self.packed.clear();
        self.raw.clear();
        self.ids.clear();
    }

    /// Gives the number of items.
    fn pack(&mut self, policy: &Policy, offset: i64, change: &Change<'_>) -> usize {
        let packed = &mut self.packed;
        let key = policy.key.key(&change.id);
        let id_in_order = policy.tombstones == Tombstones::Delete;
        if !id_in_order && !self.ids.contains(&*change.id) {
            self.ids.insert(change.id.clone().into_owned());
        }
        msgpack::integer(packed, offset);
        match &change.action {
            Action::Write { set, unset } => {
                msgpack::integer(packed, WRITE);
                msgpack::text(packed, key.as_bytes());
                msgpack::text_or_false(packed, id_in_order.then_some(&*change.id));
                msgpack::text_or_false(packed, change.notice.as_deref());
                if unset.is_empty() {
                    msgpack::text_or_false(packed, None);
                } else {
                    msgpack::array(packed, unset.len());
                    unset.iter().for_each(|name| msgpack::text(packed, name.as_bytes()));
                }
                msgpack::integer(packed, 2 * set.len() as i64);
                for (name, value) in set {
                    msgpack::text(packed, name.as_bytes());
                    msgpack::text(packed, value.as_bytes());
                }
                7 + 2 * set.len()
            }
            Action::Delete => {
                msgpack::integer(packed, DELETE);
                msgpack::text(packed, key.as_bytes());
                msgpack::text(packed, change.id.as_bytes());
                msgpack::text_or_false(packed, change.notice.as_deref());
                5
            }
        }
    }
}

/// Gives the number of items.
fn pack_dead(packed: &mut Vec<u8>, offset: i64, key: &[u8], reason: &str, value: &[u8]) -> usize {
    msgpack::integer(packed, offset);
    msgpack::integer(packed, DEAD);
    msgpack::text(packed, key);
    msgpack::text(packed, reason.as_bytes());
    msgpack::text(packed, value);
    5
}

fn append(raw: &mut Vec<u8>, bytes: &[u8]) -> Range<usize> {
    let from = raw.len();
    raw.extend_from_slice(bytes);
    from..raw.len()
}

const DEAD: i64 = 0;
const WRITE: i64 = 1;
const DELETE: i64 = 2;
