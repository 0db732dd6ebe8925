//! A list that grows and shrinks by chunks: no growth moves what is there, or takes twice the room.

/// Values of a chunk.
const CHUNK: usize = 4096;

pub(super) struct Chunked<T> {
    chunks: Vec<Vec<T>>,
}

impl<T> Default for Chunked<T> {
    fn default() -> Self {
        Self { chunks: Vec::new() }
    }
}

impl<T> Chunked<T> {
    pub(super) fn len(&self) -> usize {
        self.chunks.last().map_or(0, |last| (self.chunks.len() - 1) * CHUNK + last.len())
    }

    pub(super) fn push(&mut self, value: T) {
        match self.chunks.last_mut() {
            Some(last) if last.len() < CHUNK => last.push(value),
            _ => {
                // The first one grows as it must: many stores hold little.
                let room = if self.chunks.is_empty() { 0 } else { CHUNK };
                self.chunks.push(Vec::with_capacity(room));
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

    /// Takes out a value; the last one takes its place.
    pub(super) fn swap_remove(&mut self, place: u32) -> Option<T> {
        let last = self.pop()?;
        if place as usize == self.len() {
            return Some(last);
        }
        Some(std::mem::replace(self.get_mut(place), last))
    }

    /// The value at a place that is known to have one.
    pub(super) fn get(&self, place: u32) -> &T {
        &self.chunks[place as usize / CHUNK][place as usize % CHUNK]
    }

    pub(super) fn get_mut(&mut self, place: u32) -> &mut T {
        &mut self.chunks[place as usize / CHUNK][place as usize % CHUNK]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_value_takes_the_place_of_one_that_is_taken_out() {
        let mut list = Chunked::default();
        (0..10_000).for_each(|n| list.push(n));
        assert_eq!((list.len(), *list.get(9_999)), (10_000, 9_999));
        assert_eq!(list.swap_remove(5), Some(5));
        assert_eq!((list.len(), *list.get(5)), (9_999, 9_999));
        assert_eq!(list.swap_remove(9_998), Some(9_998));
        while list.swap_remove(0).is_some() {}
        assert_eq!((list.len(), list.chunks.len()), (0, 0));
    }
}
