//! What this node has seen lately, up to a number of bytes.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// The values used last.
pub(crate) struct Cache<K, V> {
    values: HashMap<K, Kept<V>>,
    by_use: BTreeMap<u64, K>,
    uses: u64,
    bytes: usize,
    max_bytes: usize,
}

struct Kept<V> {
    value: V,
    bytes: usize,
    used: u64,
}

impl<K: Hash + Eq + Clone, V: Clone> Cache<K, V> {
    pub(crate) fn new(max_bytes: usize) -> Self {
        Self { values: HashMap::new(), by_use: BTreeMap::new(), uses: 0, bytes: 0, max_bytes }
    }

    pub(crate) fn get(&mut self, key: &K) -> Option<V> {
        let kept = self.values.get_mut(key)?;
        // What was used last stays so: nothing is to be moved for an object that many ask for.
        if kept.used != self.uses {
            self.by_use.remove(&kept.used);
            self.uses += 1;
            kept.used = self.uses;
            self.by_use.insert(self.uses, key.clone());
        }
        Some(kept.value.clone())
    }

    /// Keeps a value of so many bytes, unless that is more than a half of the cache. Returns what had to go, to be freed
    /// elsewhere.
    pub(crate) fn insert(&mut self, key: K, value: V, bytes: usize) -> Vec<V> {
        let mut gone: Vec<V> = self.remove(&key).into_iter().collect();
        if bytes > self.max_bytes / 2 {
            return gone;
        }
        self.uses += 1;
        self.bytes += bytes;
        self.by_use.insert(self.uses, key.clone());
        self.values.insert(key, Kept { value, bytes, used: self.uses });
        while self.bytes > self.max_bytes
            && let Some(oldest) = self.by_use.first_key_value().map(|(_, key)| key.clone())
        {
            gone.extend(self.remove(&oldest));
        }
        gone
    }

    fn remove(&mut self, key: &K) -> Option<V> {
        let Kept { value, bytes, used } = self.values.remove(key)?;
        self.by_use.remove(&used);
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
    fn what_was_used_longest_ago_goes_first() {
        let mut cache = Cache::new(100);
        for n in 1..=3 {
            assert!(cache.insert(n, n, 30).is_empty());
        }
        cache.get(&1);
        assert_eq!(cache.insert(4, 4, 30), [2]);
        assert_eq!(cache.get(&2), None);
        assert_eq!(cache.get(&1), Some(1));
        assert_eq!((cache.bytes, cache.values.len(), cache.by_use.len()), (90, 3, 3));
    }

    #[test]
    fn a_newer_value_takes_the_place_of_the_older() {
        let mut cache = Cache::new(100);
        cache.insert(1, "old", 30);
        assert_eq!(cache.insert(1, "new", 40), ["old"]);
        assert_eq!((cache.get(&1), cache.bytes, cache.by_use.len()), (Some("new"), 40, 1));
    }

    #[test]
    fn what_takes_more_than_half_the_cache_is_not_kept() {
        let mut cache = Cache::new(100);
        cache.insert(1, (), 51);
        assert_eq!(cache.get(&1), None);
    }
}
