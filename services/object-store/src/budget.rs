//! The transfer budget: how many bytes of objects may be in memory on their way between clients and store.

use std::sync::Arc;

use tokio::sync::{Mutex, MutexGuard, OwnedSemaphorePermit, Semaphore};

/// A number of bytes that all connections share.
pub(crate) struct TransferBudget {
    /// In KiB: a semaphore counts in 32 bits.
    available: Arc<Semaphore>,
    total: u32,
    /// Held by the one transfer of unknown length that may claim more and more.
    growing: Mutex<()>,
}

/// A part of the budget. Dropping it gives the part back.
pub(crate) struct BudgetPermit {
    _permit: Option<OwnedSemaphorePermit>,
}

impl TransferBudget {
    pub(crate) fn new(bytes: u64) -> Self {
        let total = u32::try_from(bytes >> 10).unwrap_or(u32::MAX).max(1);
        Self { available: Arc::new(Semaphore::new(total as usize)), total, growing: Mutex::default() }
    }

    /// Waits until `bytes` are available, first come, first served. A holder never needs a second permit to finish, but for
    /// the one whose [turn](TransferBudget::turn_to_grow) it is, so there is no deadlock.
    pub(crate) async fn acquire(&self, bytes: usize) -> BudgetPermit {
        let kib = u32::try_from(bytes.div_ceil(1 << 10)).unwrap_or(u32::MAX).min(self.total);
        // Fails only when the semaphore is closed, which never happens.
        BudgetPermit { _permit: Arc::clone(&self.available).acquire_many_owned(kib).await.ok() }
    }

    /// Waits until no other transfer of unknown length claims part after part.
    pub(crate) async fn turn_to_grow(&self) -> MutexGuard<'_, ()> {
        self.growing.lock().await
    }
}
