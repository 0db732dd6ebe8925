use super::msgpack;
use super::slot_messages::SlotMessages;

/// What one shard of a Cluster gets of a batch, encoded for the script that applies it:
///
/// ```text
/// part     [[id to add …], [id to remove …], [dead letter … one after the other], [section … one after the other]]
/// section  key of the slot's offset, what the keys of the slot's versions begin with, count, that many items
/// ```
///
/// The items are those of messages as in a batch, all of keys of the same hash slot.
#[derive(Default)]
pub struct ShardPart {
    added_ids: Items,
    removed_ids: Items,
    dead_letters: Items,
    sections: Items,
}

/// The inside of a long array.
#[derive(Default)]
struct Items {
    count: usize,
    encoded: Vec<u8>,
}

impl ShardPart {
    /// Adds an id to the set of ids.
    pub fn add_id(&mut self, id: &str) {
        self.added_ids.push(1, |out| msgpack::write_string(out, id.as_bytes()));
    }

    /// Removes an id from the set of ids.
    pub fn remove_id(&mut self, id: &str) {
        self.removed_ids.push(1, |out| msgpack::write_string(out, id.as_bytes()));
    }

    /// Adds an encoded dead letter of so many items.
    pub fn add_dead_letter(&mut self, items: usize, encoded: &[u8]) {
        self.dead_letters.push(items, |out| out.extend_from_slice(encoded));
    }

    /// Adds the messages of a hash slot, which has its offset in this key.
    pub fn add_section(&mut self, offset_key: &str, version_prefix: &str, messages: &SlotMessages<'_>) {
        self.sections.push(3 + messages.items, |out| {
            msgpack::write_string(out, offset_key.as_bytes());
            msgpack::write_string(out, version_prefix.as_bytes());
            msgpack::write_integer(out, messages.items as i64);
            messages.encoded.iter().for_each(|encoded| out.extend_from_slice(encoded));
        });
    }

    /// True if the shard gets nothing.
    pub fn is_empty(&self) -> bool {
        self.all().iter().all(|items| items.count == 0)
    }

    /// As the script reads it.
    pub fn encode(&self) -> Vec<u8> {
        let all = self.all();
        let mut out = Vec::with_capacity(32 + all.iter().map(|items| items.encoded.len()).sum::<usize>());
        msgpack::write_array_header(&mut out, all.len());
        for items in all {
            msgpack::write_array_header(&mut out, items.count);
            out.extend_from_slice(&items.encoded);
        }
        out
    }

    fn all(&self) -> [&Items; 4] {
        [&self.added_ids, &self.removed_ids, &self.dead_letters, &self.sections]
    }
}

impl Items {
    fn push(&mut self, count: usize, write: impl FnOnce(&mut Vec<u8>)) {
        self.count += count;
        write(&mut self.encoded);
    }
}
