//! Contents that this node has seen lately, by hash: they cannot change, so nothing needs to be invalidated.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;

use crate::request::Hash;

/// The contents used last, up to a number of bytes.
pub(crate) struct Cache {
    contents: HashMap<Hash, (Bytes, u64)>,
    by_use: BTreeMap<u64, Hash>,
    uses: u64,
    bytes: usize,
    max_bytes: usize,
}

impl Cache {
    pub(crate) fn new(max_bytes: usize) -> Self {
        Self { contents: HashMap::new(), by_use: BTreeMap::new(), uses: 0, bytes: 0, max_bytes }
    }

    pub(crate) fn get(&mut self, hash: &Hash) -> Option<Bytes> {
        let (data, used) = self.contents.get_mut(hash)?;
        self.by_use.remove(used);
        self.uses += 1;
        *used = self.uses;
        self.by_use.insert(self.uses, *hash);
        Some(data.clone())
    }

    /// Keeps a content, unless it is more than a half of the cache. Returns what had to go, to be freed elsewhere.
    pub(crate) fn insert(&mut self, hash: Hash, data: Bytes) -> Vec<Bytes> {
        let mut gone = Vec::new();
        if data.len() > self.max_bytes / 2 || self.contents.contains_key(&hash) {
            return gone;
        }
        self.uses += 1;
        self.bytes += data.len();
        self.by_use.insert(self.uses, hash);
        self.contents.insert(hash, (data, self.uses));
        while self.bytes > self.max_bytes
            && let Some((_, oldest)) = self.by_use.pop_first()
        {
            if let Some((data, _)) = self.contents.remove(&oldest) {
                self.bytes -= data.len();
                gone.push(data);
            }
        }
        gone
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
            assert!(cache.insert([n; 32], vec![n; 30].into()).is_empty());
        }
        cache.get(&[1; 32]);
        assert_eq!(cache.insert([4; 32], vec![4; 30].into()), [vec![2; 30]]);
        assert_eq!(cache.get(&[2; 32]), None);
        assert_eq!(cache.get(&[1; 32]).unwrap(), vec![1; 30]);
        assert_eq!((cache.bytes, cache.contents.len(), cache.by_use.len()), (90, 3, 3));
    }

    #[test]
    fn a_content_of_more_than_half_the_cache_is_not_kept() {
        let mut cache = Cache::new(100);
        cache.insert([1; 32], vec![1; 51].into());
        assert_eq!(cache.get(&[1; 32]), None);
    }
}
