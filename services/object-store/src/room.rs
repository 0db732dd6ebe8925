//! Room that was made in memory for a content, until it is stored.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes that are reserved.
#[derive(Default)]
pub(crate) struct Reservations(Arc<AtomicU64>);

/// A number of reserved bytes. Dropping it gives them back.
pub(crate) struct Room {
    reserved: Arc<AtomicU64>,
    bytes: u64,
}

impl Reservations {
    pub(crate) fn reserve(&self, bytes: u64) -> Room {
        self.0.fetch_add(bytes, Ordering::Relaxed);
        Room { reserved: Arc::clone(&self.0), bytes }
    }

    /// All reserved bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.reserved.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
