//! Contents that are not packed: each in memory of its own, in a file, or in both. Those that were not used for longest are
//! written to files first. A content that has come back to memory keeps its file, so that it need not be written again.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use lru::LruCache;

use crate::object::{Content, Hash};
use crate::spill::SpillFile;

pub(super) struct LargeContents {
    contents: HashMap<u32, Large>,
    /// The bytes of those that are in memory, by their last use.
    resident: LruCache<u32, Bytes>,
    /// The bytes of those that are being written to a file.
    leaving: HashMap<u32, Bytes>,
    /// Bytes of those that are in a file only, or lost.
    absent_bytes: u64,
    lost: usize,
}

struct Large {
    hash: Hash,
    length: u64,
    file: Option<Arc<SpillFile>>,
    /// Its file could not be read.
    is_lost: bool,
}

/// Where a content is.
pub(super) enum Location {
    Memory(Bytes),
    File(Arc<SpillFile>),
    Lost,
}

/// A content to be written to a file.
pub(super) struct Victim {
    number: u32,
    pub(super) hash: Hash,
    pub(super) data: Bytes,
}

/// What a content had, to be freed after the lock is released.
pub(super) type Freed = (Option<Bytes>, Option<Arc<SpillFile>>);

impl Default for LargeContents {
    fn default() -> Self {
        Self {
            contents: HashMap::new(),
            resident: LruCache::unbounded(),
            leaving: HashMap::new(),
            absent_bytes: 0,
            lost: 0,
        }
    }
}

impl LargeContents {
    pub(super) fn add(&mut self, number: u32, content: Content) {
        // The transfer has ended: its budget is free again, and the room that was made is taken.
        let length = content.data.len() as u64;
        self.contents.insert(number, Large { hash: content.hash, length, file: None, is_lost: false });
        self.resident.put(number, content.data);
    }

    pub(super) fn has(&self, number: u32, hash: &Hash) -> bool {
        self.contents.get(&number).is_some_and(|large| large.hash == *hash && !large.is_lost)
    }

    pub(super) fn length(&self, number: u32) -> u64 {
        self.contents.get(&number).map_or(0, |large| large.length)
    }

    /// Bytes that are not in memory.
    pub(super) fn absent_bytes(&self) -> u64 {
        self.absent_bytes
    }

    pub(super) fn is_lost(&self, number: u32) -> bool {
        self.lost > 0 && self.contents.get(&number).is_some_and(|large| large.is_lost)
    }

    pub(super) fn is_in_memory(&self, number: u32) -> bool {
        self.resident.contains(&number) || self.leaving.contains_key(&number)
    }

    /// A use of a content.
    pub(super) fn get(&mut self, number: u32) -> Location {
        if let Some(data) = self.resident.get(&number).or_else(|| self.leaving.get(&number)) {
            return Location::Memory(data.clone());
        }
        let file = self.contents.get(&number).and_then(|large| large.file.clone());
        file.map_or(Location::Lost, Location::File)
    }

    pub(super) fn remove(&mut self, number: u32) -> Option<Freed> {
        let data = self.resident.pop(&number).or_else(|| self.leaving.remove(&number));
        let large = self.contents.remove(&number)?;
        if data.is_none() {
            self.absent_bytes -= large.length;
        }
        self.lost -= usize::from(large.is_lost);
        Some((data, large.file))
    }

    /// Takes contents of at least `bytes` bytes, or all. Those that have a file leave memory at once, and are returned to be
    /// freed; the others are to be written.
    pub(super) fn take_victims(&mut self, bytes: u64) -> (Vec<Victim>, Vec<Bytes>) {
        let (mut victims, mut freed, mut taken) = (Vec::new(), Vec::new(), 0);
        while taken < bytes
            && let Some((number, data)) = self.resident.pop_lru()
        {
            taken += data.len() as u64;
            match self.contents.get(&number) {
                Some(Large { file: None, hash, .. }) => {
                    self.leaving.insert(number, data.clone());
                    victims.push(Victim { number, hash: *hash, data });
                }
                _ => {
                    self.absent_bytes += data.len() as u64;
                    freed.push(data);
                }
            }
        }
        (victims, freed)
    }

    /// A victim was written, or could not be. Returns the file of one that was removed meanwhile.
    pub(super) fn finish(&mut self, victim: Victim, file: Option<SpillFile>) -> Option<SpillFile> {
        let is_same = |large: &&mut Large| large.hash == victim.hash && large.file.is_none();
        let Some(large) = self.contents.get_mut(&victim.number).filter(is_same) else { return file };
        match (self.leaving.remove(&victim.number), file) {
            (Some(_), Some(file)) => {
                large.file = Some(Arc::new(file));
                self.absent_bytes += large.length;
                None
            }
            (Some(data), None) => {
                self.resident.put(victim.number, data);
                None
            }
            (None, file) => file,
        }
    }

    /// The content of this file has been read, and memory has room for it.
    pub(super) fn restore(&mut self, number: u32, file: &Arc<SpillFile>, data: &Bytes) {
        if self.file_of(number).is_some_and(|own| Arc::ptr_eq(own, file)) && !self.is_in_memory(number) {
            self.absent_bytes -= data.len() as u64;
            self.resident.put(number, data.clone());
        }
    }

    /// The bytes of the content of this file, if they are in memory again.
    pub(super) fn restored(&mut self, number: u32, file: &Arc<SpillFile>) -> Option<Bytes> {
        let is_same = self.file_of(number).is_some_and(|own| Arc::ptr_eq(own, file));
        if is_same { self.resident.get(&number).cloned() } else { None }
    }

    /// The file could not be read. Whoever asks for the content is told so.
    pub(super) fn lose(&mut self, number: u32, file: &Arc<SpillFile>) {
        let is_same = |large: &&mut Large| large.file.as_ref().is_some_and(|own| Arc::ptr_eq(own, file));
        if let Some(large) = self.contents.get_mut(&number).filter(is_same)
            && !self.resident.contains(&number)
        {
            (large.file, large.is_lost) = (None, true);
            self.lost += 1;
        }
    }

    fn file_of(&self, number: u32) -> Option<&Arc<SpillFile>> {
        self.contents.get(&number)?.file.as_ref()
    }
}
