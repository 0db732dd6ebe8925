//! A least-recently-used cache that is limited by bytes: `lru` keeps the order, this counts the bytes.

use std::hash::{Hash, RandomState};

use lru::LruCache;

/// The values that were used last. A value may have any size.
pub(crate) struct Cache<K, V> {
    entries: LruCache<K, Entry<V>, RandomState>,
    bytes: usize,
    max_bytes: usize,
}

struct Entry<V> {
    value: V,
    bytes: usize,
}

impl<K: Hash + Eq, V: Clone> Cache<K, V> {
    pub(crate) fn new(max_bytes: usize) -> Self {
        // Clients choose some of the keys, so the hash has a random seed.
        Self { entries: LruCache::unbounded_with_hasher(RandomState::new()), bytes: 0, max_bytes }
    }

    pub(crate) fn get(&mut self, key: &K) -> Option<V> {
        self.entries.get(key).map(|entry| entry.value.clone())
    }

    /// Adds a value of `bytes` bytes, unless that is more than half of the cache. Returns the evicted values, so that the
    /// caller can free them after it has released its lock.
    pub(crate) fn insert(&mut self, key: K, value: V, bytes: usize) -> Vec<V> {
        let replaced = if bytes > self.max_bytes / 2 {
            self.entries.pop(&key)
        } else {
            self.bytes += bytes;
            self.entries.put(key, Entry { value, bytes })
        };
        let mut evicted = Vec::from_iter(replaced.map(|entry| self.release(entry)));
        while self.bytes > self.max_bytes
            && let Some((_, oldest)) = self.entries.pop_lru()
        {
            evicted.push(self.release(oldest));
        }
        evicted
    }

    /// Counts the bytes of an entry that was removed. Returns its value.
    fn release(&mut self, entry: Entry<V>) -> V {
        self.bytes -= entry.bytes;
        entry.value
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
        assert_eq!((cache.bytes, cache.entries.len()), (90, 3));
    }

    #[test]
    fn a_new_value_replaces_the_old_one() {
        let mut cache = Cache::new(100);
        cache.insert(1, "old", 30);
        assert_eq!(cache.insert(1, "new", 40), ["old"]);
        assert_eq!((cache.get(&1), cache.bytes, cache.entries.len()), (Some("new"), 40, 1));
    }

    #[test]
    fn a_value_of_more_than_half_the_cache_is_not_cached() {
        let mut cache = Cache::new(100);
        cache.insert(1, (), 51);
        assert_eq!(cache.get(&1), None);
    }
}
