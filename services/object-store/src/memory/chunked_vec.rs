//! A vector that grows and shrinks by chunks: growing moves no values and never needs twice the memory.

/// Values in a chunk.
const CHUNK_LEN: usize = 4096;

pub(super) struct ChunkedVec<T> {
    chunks: Vec<Vec<T>>,
}

impl<T> Default for ChunkedVec<T> {
    fn default() -> Self {
        Self { chunks: Vec::new() }
    }
}

impl<T> ChunkedVec<T> {
    pub(super) fn len(&self) -> usize {
        self.chunks.last().map_or(0, |last| (self.chunks.len() - 1) * CHUNK_LEN + last.len())
    }

    pub(super) fn push(&mut self, value: T) {
        match self.chunks.last_mut() {
            Some(last) if last.len() < CHUNK_LEN => last.push(value),
            _ => {
                // The first chunk grows as needed: many stores are small.
                let capacity = if self.chunks.is_empty() { 0 } else { CHUNK_LEN };
                self.chunks.push(Vec::with_capacity(capacity));
                self.push(value);
            }
        }
    }

    fn pop(&mut self) -> Option<T> {
        let last = self.chunks.last_mut()?;
        let value = last.pop();
        if last.is_empty() {
            self.chunks.pop();
        }
        value
    }

    /// Removes a value. The last value takes its index.
    pub(super) fn swap_remove(&mut self, index: u32) -> Option<T> {
        let last = self.pop()?;
        if index as usize == self.len() {
            return Some(last);
        }
        Some(std::mem::replace(self.get_mut(index), last))
    }

    /// The value at an index, which has to exist.
    pub(super) fn get(&self, index: u32) -> &T {
        &self.chunks[index as usize / CHUNK_LEN][index as usize % CHUNK_LEN]
    }

    pub(super) fn get_mut(&mut self, index: u32) -> &mut T {
        &mut self.chunks[index as usize / CHUNK_LEN][index as usize % CHUNK_LEN]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_value_takes_the_index_of_a_removed_one() {
        let mut list = ChunkedVec::default();
        (0..10_000).for_each(|n| list.push(n));
        assert_eq!((list.len(), *list.get(9_999)), (10_000, 9_999));
        assert_eq!(list.swap_remove(5), Some(5));
        assert_eq!((list.len(), *list.get(5)), (9_999, 9_999));
        assert_eq!(list.swap_remove(9_998), Some(9_998));
        while list.swap_remove(0).is_some() {}
        assert_eq!((list.len(), list.chunks.len()), (0, 0));
    }
}
