//! The reads under way. A change waits for those of its id: a batch that is sent again makes its changes once but reads anew,
//! and what it reads must not be what came after.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use super::operation::Operation;

/// How many reads of each id are under way, by a hash of the id: that two share one only makes a change wait in vain.
#[derive(Default)]
pub(super) struct Reads {
    counts: HashMap<u64, u32>,
    hasher: RandomState,
}

/// What an operation does with an id, which is in hex.
pub(super) enum Use<'a> {
    Reads(&'a [u8]),
    Changes(&'a [u8]),
    Nothing,
}

impl Reads {
    /// An operation is about to be sent; false if it has to wait.
    pub(super) fn begin(&mut self, operation: &Operation) -> bool {
        match operation.of() {
            Use::Reads(id) => *self.counts.entry(self.hasher.hash_one(id)).or_default() += 1,
            Use::Changes(id) => return !self.counts.contains_key(&self.hasher.hash_one(id)),
            Use::Nothing => {}
        }
        true
    }

    /// Its reply has come.
    pub(super) fn end(&mut self, operation: &Operation) {
        let Use::Reads(id) = operation.of() else { return };
        let hash = self.hasher.hash_one(id);
        if let Some(count) = self.counts.get_mut(&hash) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&hash);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::operation::Then;
    use super::*;

    #[test]
    fn a_change_waits_until_the_last_read_of_its_id_has_ended() {
        let operation =
            |name: &str, id: &str| Operation::new(&[name.as_bytes(), id.as_bytes()], Then::Forget);
        let (get, stat, delete) =
            (operation("get", "aa"), operation("stat", "aa"), operation("delete", "aa"));
        let mut reads = Reads::default();
        assert!(reads.begin(&delete) && reads.begin(&get) && reads.begin(&stat));
        assert!(!reads.begin(&delete) && reads.begin(&operation("delete", "bb")));
        reads.end(&get);
        assert!(!reads.begin(&delete));
        reads.end(&stat);
        assert!(reads.begin(&delete) && reads.begin(&Operation::new(&[b"alive"], Then::Forget)));
    }
}
