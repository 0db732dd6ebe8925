//! A least-recently-used cache that is limited by bytes.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// The values that were used last. A value may have any size.
pub(crate) struct Cache<K, V> {
    entries: HashMap<K, Entry<V>>,
    /// The keys by the time of their last use.
    by_use: BTreeMap<u64, K>,
    /// A clock that advances with each use.
    clock: u64,
    bytes: usize,
    max_bytes: usize,
}

struct Entry<V> {
    value: V,
    bytes: usize,
    last_use: u64,
}

impl<K: Hash + Eq + Clone, V: Clone> Cache<K, V> {
    pub(crate) fn new(max_bytes: usize) -> Self {
        Self { entries: HashMap::new(), by_use: BTreeMap::new(), clock: 0, bytes: 0, max_bytes }
    }

    pub(crate) fn get(&mut self, key: &K) -> Option<V> {
        let entry = self.entries.get_mut(key)?;
        // The entry that was used last needs no update: a hot object costs one lookup.
        if entry.last_use != self.clock {
            self.by_use.remove(&entry.last_use);
            self.clock += 1;
            entry.last_use = self.clock;
            self.by_use.insert(self.clock, key.clone());
        }
        Some(entry.value.clone())
    }

    /// Adds a value of `bytes` bytes, unless that is more than half of the cache. Returns the evicted values, so that the
    /// caller can free them after it has released its lock.
    pub(crate) fn insert(&mut self, key: K, value: V, bytes: usize) -> Vec<V> {
        let mut evicted: Vec<V> = self.remove(&key).into_iter().collect();
        if bytes > self.max_bytes / 2 {
            return evicted;
        }
        self.clock += 1;
        self.bytes += bytes;
        self.by_use.insert(self.clock, key.clone());
        self.entries.insert(key, Entry { value, bytes, last_use: self.clock });
        while self.bytes > self.max_bytes
            && let Some(oldest) = self.by_use.first_key_value().map(|(_, key)| key.clone())
        {
            evicted.extend(self.remove(&oldest));
        }
        evicted
    }

    fn remove(&mut self, key: &K) -> Option<V> {
        let Entry { value, bytes, last_use } = self.entries.remove(key)?;
        self.by_use.remove(&last_use);
        self.bytes -= bytes;
        Some(value)
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::new(self.max_bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_used_value_is_evicted_first() {
        let mut cache = Cache::new(100);
        for n in 1..=3 {
            assert!(cache.insert(n, n, 30).is_empty());
        }
        cache.get(&1);
        assert_eq!(cache.insert(4, 4, 30), [2]);
        assert_eq!(cache.get(&2), None);
        assert_eq!(cache.get(&1), Some(1));
        assert_eq!((cache.bytes, cache.entries.len(), cache.by_use.len()), (90, 3, 3));
    }

    #[test]
    fn a_new_value_replaces_the_old_one() {
        let mut cache = Cache::new(100);
        cache.insert(1, "old", 30);
        assert_eq!(cache.insert(1, "new", 40), ["old"]);
        assert_eq!((cache.get(&1), cache.bytes, cache.by_use.len()), (Some("new"), 40, 1));
    }

    #[test]
    fn a_value_of_more_than_half_the_cache_is_not_cached() {
        let mut cache = Cache::new(100);
        cache.insert(1, (), 51);
        assert_eq!(cache.get(&1), None);
    }
}
