//! The content of each id.

use std::hash::{BuildHasher, RandomState};

use super::chunked_vec::ChunkedVec;
use super::hash_index::HashIndex;
use crate::id::ObjectId;

/// An id as the table has it: an id of 32 bytes itself, of any other id a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct IdKey([u8; 32]);

impl From<&ObjectId> for IdKey {
    fn from(id: &ObjectId) -> Self {
        let bytes = id.as_bytes();
        Self(
            bytes
                .try_into()
                .unwrap_or_else(|_| blake3::derive_key("object-store: id of another length than 32", bytes)),
        )
    }
}

/// Ids in no order: 36 bytes each, and some for the index.
#[derive(Default)]
pub(super) struct IdTable {
    entries: ChunkedVec<Entry>,
    index: HashIndex,
    /// Randomly seeded: clients choose the ids, and must not be able to make them collide.
    hasher: RandomState,
}

struct Entry {
    key: IdKey,
    content: u32,
}

impl IdTable {
    /// True if half of the numbers are in use.
    pub(super) fn is_full(&self) -> bool {
        self.len() > u32::MAX as usize / 2
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn get(&self, key: &IdKey) -> Option<u32> {
        Some(self.entries.get(self.find(key)?).content)
    }

    /// Adds an id that is not in the table.
    pub(super) fn insert(&mut self, key: IdKey, content: u32) {
        // The cast cannot truncate: nothing is stored when the table is full.
        let index = self.entries.len() as u32;
        self.entries.push(Entry { key, content });
        let (entries, hasher) = (&self.entries, &self.hasher);
        self.index.insert(hasher.hash_one(key), index, |index| hasher.hash_one(entries.get(index).key));
    }

    /// Removes an id. Returns the number of its content.
    pub(super) fn remove(&mut self, key: &IdKey) -> Option<u32> {
        let index = self.find(key)?;
        let (entries, hasher) = (&self.entries, &self.hasher);
        self.index.remove(hasher.hash_one(key), index, |index| hasher.hash_one(entries.get(index).key));
        let last = self.entries.len() as u32 - 1;
        let removed = self.entries.swap_remove(index)?;
        if index != last {
            let moved = self.entries.get(index).key;
            self.index.update(self.hasher.hash_one(moved), last, index);
        }
        Some(removed.content)
    }

    fn find(&self, key: &IdKey) -> Option<u32> {
        self.index.find(self.hasher.hash_one(key), |&index| self.entries.get(index).key == *key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u32) -> IdKey {
        IdKey::from(&ObjectId::new(&n.to_be_bytes()).unwrap())
    }

    #[test]
    fn ids_are_added_and_removed_in_any_order() {
        let mut ids = IdTable::default();
        (0..20_000).for_each(|n| ids.insert(key(n), n + 7));
        for n in (0..20_000).step_by(3) {
            assert_eq!(ids.remove(&key(n)), Some(n + 7));
        }
        for n in 0..20_000 {
            assert_eq!(ids.get(&key(n)), (n % 3 > 0).then_some(n + 7), "{n}");
        }
        for n in 0..20_000 {
            ids.remove(&key(n));
        }
        assert_eq!((ids.len(), ids.remove(&key(1))), (0, None));
    }

    #[test]
    fn an_id_of_32_bytes_is_its_own_key() {
        let bytes = [7; 32];
        assert_eq!(IdKey::from(&ObjectId::new(&bytes).unwrap()), IdKey(bytes));
        assert_ne!(key(1), key(2));
    }
}
