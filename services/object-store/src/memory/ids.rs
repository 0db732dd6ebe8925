//! Which content an id has.

use std::hash::{BuildHasher, RandomState};

use super::chunked::Chunked;
use super::index::Index;
use crate::id::ObjectId;

/// An id as it is kept: that of the wire itself, of another its hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key([u8; 32]);

impl From<&ObjectId> for Key {
    fn from(id: &ObjectId) -> Self {
        let bytes = id.as_bytes();
        Self(
            bytes
                .try_into()
                .unwrap_or_else(|_| blake3::derive_key("object-store: id of another length than 32", bytes)),
        )
    }
}

/// Ids, 36 bytes each and some for the index, in no order.
#[derive(Default)]
pub(super) struct Ids {
    ids: Chunked<Id>,
    index: Index,
    /// Clients choose the ids, so they must not know where those lie.
    hasher: RandomState,
}

struct Id {
    key: Key,
    content: u32,
}

impl Ids {
    /// Whether there are as many as can be numbered, but for a reserve.
    pub(super) fn is_full(&self) -> bool {
        self.len() > u32::MAX as usize / 2
    }

    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    pub(super) fn get(&self, key: &Key) -> Option<u32> {
        Some(self.ids.get(self.find(key)?).content)
    }

    /// Notes the content of an id that has none.
    pub(super) fn insert(&mut self, key: Key, content: u32) {
        // The cast cannot cut: nobody stores on when it is full.
        let place = self.ids.len() as u32;
        self.ids.push(Id { key, content });
        let (ids, hasher) = (&self.ids, &self.hasher);
        self.index.insert(hasher.hash_one(key), place, |place| hasher.hash_one(ids.get(place).key));
    }

    /// Takes an id out; what its content was.
    pub(super) fn remove(&mut self, key: &Key) -> Option<u32> {
        let place = self.find(key)?;
        let (ids, hasher) = (&self.ids, &self.hasher);
        self.index.remove(hasher.hash_one(key), place, |place| hasher.hash_one(ids.get(place).key));
        let last = self.ids.len() as u32 - 1;
        let removed = self.ids.swap_remove(place)?;
        if place != last {
            let moved = self.ids.get(place).key;
            self.index.moved(self.hasher.hash_one(moved), last, place);
        }
        Some(removed.content)
    }

    fn find(&self, key: &Key) -> Option<u32> {
        self.index.find(self.hasher.hash_one(key), |&place| self.ids.get(place).key == *key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u32) -> Key {
        Key::from(&ObjectId::new(&n.to_be_bytes()).unwrap())
    }

    #[test]
    fn ids_come_and_go_in_any_order() {
        let mut ids = Ids::default();
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
    fn an_id_of_the_wire_is_kept_as_it_is() {
        let bytes = [7; 32];
        assert_eq!(Key::from(&ObjectId::new(&bytes).unwrap()), Key(bytes));
        assert_ne!(key(1), key(2));
    }
}
