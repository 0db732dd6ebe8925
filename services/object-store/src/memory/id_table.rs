//! The content of each id, and when it got it.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

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

/// Ids that are looked at for a page: the store is locked meanwhile.
const VISITED_MAX: usize = 10_000;

/// Ids in no order: 40 bytes each, and some for the index.
pub(super) struct IdTable {
    entries: ChunkedVec<Entry>,
    /// Ids of another length than 32, whose key does not say what they are. Only the library and HTTP have any.
    others: HashMap<IdKey, ObjectId>,
    index: HashIndex,
    /// Randomly seeded: clients choose the ids, and must not be able to make them collide.
    hasher: RandomState,
    began: Instant,
}

struct Entry {
    key: IdKey,
    content: u32,
    /// When the id got its content, in seconds since the table was made.
    stored_at: u32,
}

impl Default for IdTable {
    fn default() -> Self {
        Self {
            entries: ChunkedVec::default(),
            others: HashMap::new(),
            index: HashIndex::default(),
            hasher: RandomState::new(),
            began: Instant::now(),
        }
    }
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

    /// How long the id has had its content.
    pub(super) fn age(&self, key: &IdKey) -> Option<Duration> {
        let stored_at = self.entries.get(self.find(key)?).stored_at;
        Some(self.began.elapsed().saturating_sub(Duration::from_secs(stored_at.into())))
    }

    /// Ids before a position, from the last one down, and the position to go on from; `None` at the end. A removal moves the
    /// last id down, so an id that stays in the table is seen, perhaps twice.
    pub(super) fn page(
        &self,
        before: Option<u64>,
        max: usize,
        wanted: impl Fn(&ObjectId) -> bool,
    ) -> (Vec<ObjectId>, Option<u64>) {
        let mut position = before.map_or(self.len(), |before| self.len().min(before as usize));
        let (mut found, last) = (Vec::new(), position.saturating_sub(VISITED_MAX));
        while position > last && found.len() < max {
            position -= 1;
            let id = self.id(&self.entries.get(position as u32).key);
            found.extend(Some(id).filter(&wanted));
        }
        (found, (position > 0).then_some(position as u64))
    }

    fn id(&self, key: &IdKey) -> ObjectId {
        self.others.get(key).cloned().unwrap_or_else(|| ObjectId::from(key.0))
    }

    /// Adds an id that is not in the table.
    pub(super) fn insert(&mut self, id: &ObjectId, content: u32) {
        let key = IdKey::from(id);
        if id.as_bytes().len() != key.0.len() {
            self.others.insert(key, id.clone());
        }
        // The cast cannot truncate: nothing is stored when the table is full.
        let index = self.entries.len() as u32;
        // 136 years of seconds.
        let stored_at = self.began.elapsed().as_secs() as u32;
        self.entries.push(Entry { key, content, stored_at });
        let (entries, hasher) = (&self.entries, &self.hasher);
        self.index.insert(hasher.hash_one(key), index, |index| hasher.hash_one(entries.get(index).key));
    }

    /// Removes an id. Returns the number of its content.
    pub(super) fn remove(&mut self, key: &IdKey) -> Option<u32> {
        let index = self.find(key)?;
        self.others.remove(key);
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
    use std::collections::BTreeSet;

    use super::*;

    fn id(n: u32) -> ObjectId {
        ObjectId::new(&n.to_be_bytes()).unwrap()
    }

    fn key(n: u32) -> IdKey {
        IdKey::from(&id(n))
    }

    #[test]
    fn ids_are_added_and_removed_in_any_order() {
        let mut ids = IdTable::default();
        (0..20_000).for_each(|n| ids.insert(&id(n), n + 7));
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
    fn pages_have_every_id_that_stays_also_while_others_are_removed() {
        let mut ids = IdTable::default();
        (0..25_000).for_each(|n| ids.insert(&id(n), n));
        let (mut seen, mut before) = (BTreeSet::new(), None);
        loop {
            let (page, next) = ids.page(before, 1_000, |id| id.as_bytes()[3] % 2 == 0);
            assert!(page.len() <= 1_000);
            for found in page {
                assert_eq!(found.as_bytes()[3] % 2, 0);
                if found.as_bytes()[3].is_multiple_of(4) {
                    ids.remove(&IdKey::from(&found));
                }
                seen.insert(found);
            }
            before = next;
            if before.is_none() {
                break;
            }
        }
        assert_eq!((seen.len(), ids.len()), (12_500, 18_750));
        assert_eq!((0..25_000).filter(|n| ids.get(&key(*n)).is_some()).count(), 18_750);
    }

    #[test]
    fn an_id_of_32_bytes_is_its_own_key() {
        let bytes = [7; 32];
        assert_eq!(IdKey::from(&ObjectId::new(&bytes).unwrap()), IdKey(bytes));
        assert_ne!(key(1), key(2));
    }
}
