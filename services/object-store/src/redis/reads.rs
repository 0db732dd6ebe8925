//! The reads under way. A change waits for those of its id: a batch that is sent again makes its changes once but reads anew,
//! and what it reads must not be what came after.

use std::collections::HashMap;

use smallvec::SmallVec;

use super::operation::Operation;

/// How many reads of each id are under way.
#[derive(Default)]
pub(super) struct Reads(HashMap<SmallVec<[u8; 64]>, u32>);

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
            Use::Reads(id) => *self.0.entry(id.into()).or_default() += 1,
            Use::Changes(id) => return !self.0.contains_key(id),
            Use::Nothing => {}
        }
        true
    }

    /// Its reply has come.
    pub(super) fn end(&mut self, operation: &Operation) {
        let Use::Reads(id) = operation.of() else { return };
        if let Some(count) = self.0.get_mut(id) {
            *count -= 1;
            if *count == 0 {
                self.0.remove(id);
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
