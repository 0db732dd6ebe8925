//! Finds the place of something in a list by its hash. The places alone are kept, in many small tables: none that grows takes
//! much room or time.

use hashbrown::HashTable;

const TABLES: usize = 64;

pub(super) struct Index {
    tables: Vec<HashTable<u32>>,
}

impl Default for Index {
    fn default() -> Self {
        Self { tables: (0..TABLES).map(|_| HashTable::new()).collect() }
    }
}

impl Index {
    /// By bits that the tables themselves do not look at.
    fn table(&self, hash: u64) -> usize {
        (hash >> 40) as usize % TABLES
    }

    /// The place with this hash that `is_it`.
    pub(super) fn find(&self, hash: u64, is_it: impl FnMut(&u32) -> bool) -> Option<u32> {
        self.tables[self.table(hash)].find(hash, is_it).copied()
    }

    /// Notes a place that is not noted; `hash_of` tells the hashes of the others.
    pub(super) fn insert(&mut self, hash: u64, place: u32, hash_of: impl Fn(u32) -> u64) {
        let table = self.table(hash);
        self.tables[table].insert_unique(hash, place, |&place| hash_of(place));
    }

    pub(super) fn remove(&mut self, hash: u64, place: u32, hash_of: impl Fn(u32) -> u64) {
        let table = self.table(hash);
        let table = &mut self.tables[table];
        if let Ok(entry) = table.find_entry(hash, |&known| known == place) {
            entry.remove();
        }
        // Gives the memory back when most of what it held has gone.
        if table.capacity() > 1024 && table.len() < table.capacity() / 4 {
            table.shrink_to(table.len() * 2, |&place| hash_of(place));
        }
    }

    /// What was at one place is at another.
    pub(super) fn moved(&mut self, hash: u64, from: u32, to: u32) {
        let table = self.table(hash);
        if let Some(place) = self.tables[table].find_mut(hash, |&known| known == from) {
            *place = to;
        }
    }
}
