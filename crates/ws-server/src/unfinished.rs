//! The messages that clients have begun and not finished take memory, of which all clients together have a limited amount.

use std::sync::atomic::{AtomicUsize, Ordering};

/// The most bytes of unfinished messages of all clients.
const MAX_BYTES: usize = 64 * 1024 * 1024;
/// A client that has no more than this is not refused for what others keep. Usual messages are far shorter.
const FREE_BYTES: usize = 16 * 1024;

/// The bytes of all clients.
#[derive(Default)]
pub(crate) struct UnfinishedBytes(AtomicUsize);

/// What one client has of them. Dropping it gives it back.
pub(crate) struct UnfinishedShare<'a> {
    all: &'a UnfinishedBytes,
    bytes: usize,
}

impl UnfinishedBytes {
    /// A client that has nothing yet.
    pub(crate) fn share(&self) -> UnfinishedShare<'_> {
        UnfinishedShare { all: self, bytes: 0 }
    }
}

impl UnfinishedShare<'_> {
    /// The client has so many bytes now. Returns `false` if that is too much beside those of the others.
    #[must_use]
    pub(crate) fn set(&mut self, bytes: usize) -> bool {
        let before = std::mem::replace(&mut self.bytes, bytes);
        // Most clients never have any.
        if bytes == before {
            return true;
        }
        // Both wrap around alike, so that the sum is right.
        let change = bytes.wrapping_sub(before);
        let all = self.all.0.fetch_add(change, Ordering::Relaxed).wrapping_add(change);
        bytes <= FREE_BYTES || all <= MAX_BYTES
    }
}

impl Drop for UnfinishedShare<'_> {
    fn drop(&mut self) {
        self.all.0.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_has_much_is_refused_and_what_is_given_back_counts_no_more() {
        let all = UnfinishedBytes::default();
        let (mut large, mut other) = (all.share(), all.share());
        assert!(large.set(MAX_BYTES - FREE_BYTES) && other.set(FREE_BYTES));
        assert!(!other.set(FREE_BYTES + 1) && !large.set(MAX_BYTES));
        assert!(other.set(10) && large.set(0) && other.set(MAX_BYTES));
        drop(other);
        assert!(large.set(MAX_BYTES));
        drop(large);
        assert_eq!(all.0.into_inner(), 0);
    }
}
