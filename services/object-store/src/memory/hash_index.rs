//! Finds the position of a value in a list by its hash. Only positions are stored, in many small tables: growing one of them
//! takes little memory and time.

use hashbrown::HashTable;

const TABLES: usize = 64;

pub(super) struct HashIndex {
    tables: Vec<HashTable<u32>>,
}

impl Default for HashIndex {
    fn default() -> Self {
        Self { tables: (0..TABLES).map(|_| HashTable::new()).collect() }
    }
}

impl HashIndex {
    /// Chosen by bits of the hash that the tables themselves do not use.
    fn table(&self, hash: u64) -> usize {
        (hash >> 40) as usize % TABLES
    }

    /// The position with this hash for which `matches` is true.
    pub(super) fn find(&self, hash: u64, matches: impl FnMut(&u32) -> bool) -> Option<u32> {
        self.tables[self.table(hash)].find(hash, matches).copied()
    }

    /// Adds a position that is not in the index. `hash_of` returns the hash of another position.
    pub(super) fn insert(&mut self, hash: u64, position: u32, hash_of: impl Fn(u32) -> u64) {
        let table = self.table(hash);
        self.tables[table].insert_unique(hash, position, |&position| hash_of(position));
    }

    pub(super) fn remove(&mut self, hash: u64, position: u32, hash_of: impl Fn(u32) -> u64) {
        let table = self.table(hash);
        let table = &mut self.tables[table];
        if let Ok(entry) = table.find_entry(hash, |&known| known == position) {
            entry.remove();
        }
        // Frees memory when most of the table is empty.
        if table.capacity() > 1024 && table.len() < table.capacity() / 4 {
            table.shrink_to(table.len() * 2, |&position| hash_of(position));
        }
    }

    /// Updates the position of a value that moved.
    pub(super) fn update(&mut self, hash: u64, from: u32, to: u32) {
        let table = self.table(hash);
        if let Some(position) = self.tables[table].find_mut(hash, |&known| known == from) {
            *position = to;
        }
    }
}
