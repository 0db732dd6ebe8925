//! Memory for objects on their way between clients and store: a number of bytes that they share.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes that may be under way at a time.
pub(crate) struct Budget {
    /// In KiB: a semaphore counts in 32 bits.
    left: Arc<Semaphore>,
    total: u32,
}

/// A part of the budget, until it is dropped.
pub(crate) struct Claim {
    _permit: Option<OwnedSemaphorePermit>,
}

impl Budget {
    pub(crate) fn new(bytes: u64) -> Self {
        let total = u32::try_from(bytes >> 10).unwrap_or(u32::MAX).max(1);
        Self { left: Arc::new(Semaphore::new(total as usize)), total }
    }

    /// Waits its turn for `bytes`. Whoever has a claim can finish without another, so all get theirs in the end.
    pub(crate) async fn claim(&self, bytes: usize) -> Claim {
        let wanted = u32::try_from(bytes.div_ceil(1 << 10)).unwrap_or(u32::MAX).min(self.total);
        // The semaphore is never closed.
        Claim { _permit: Arc::clone(&self.left).acquire_many_owned(wanted).await.ok() }
    }
}
