//! The transfer budget: how many bytes of objects may be in memory on their way between clients and store.
//!
//! A transfer claims what it has received, part by part, and says at first how much it may become. A part is granted only if
//! after it all transfers can still end, one after the other (the banker's algorithm). So none has to claim its whole length at
//! once, and they never wait for each other in a circle.

mod pool;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use pool::Pool;

/// Transfers up to this many bytes have a pool of their own, so that they never wait for longer ones.
pub(crate) const SMALL_MAX: usize = 1 << 20;
/// The pool of small transfers is this part of the whole, on top of it.
const SMALL_PART: u64 = 8;

/// A number of bytes that all transfers share.
#[derive(Clone)]
pub(crate) struct TransferBudget {
    small: Arc<Mutex<Pool>>,
    large: Arc<Mutex<Pool>>,
}

/// What one transfer has of the budget. Dropping it gives that back.
pub(crate) struct Claim {
    pool: Arc<Mutex<Pool>>,
    number: u64,
    held: usize,
    most: usize,
}

impl TransferBudget {
    pub(crate) fn new(bytes: u64) -> Self {
        let pool = |bytes| Arc::new(Mutex::new(Pool::new(bytes)));
        Self { small: pool((bytes / SMALL_PART).max(SMALL_MAX as u64)), large: pool(bytes) }
    }

    /// The claim of a transfer of at most `most` bytes. It holds nothing yet.
    pub(crate) fn claim(&self, most: usize) -> Claim {
        let pool = if most <= SMALL_MAX { &self.small } else { &self.large };
        let number = pool.lock().next_number();
        Claim { pool: Arc::clone(pool), number, held: 0, most }
    }

    /// Claims all of these bytes, as soon as they are available.
    pub(crate) async fn acquire(&self, bytes: usize) -> Claim {
        let mut claim = self.claim(bytes);
        claim.grow(bytes).await;
        claim
    }
}

impl Claim {
    /// Waits until the transfer may have `bytes` bytes, or as many as it may become.
    pub(crate) async fn grow(&mut self, bytes: usize) {
        let bytes = bytes.min(self.most);
        let Some(more) = bytes.checked_sub(self.held).filter(|more| *more > 0) else { return };
        let waiting = self.pool.lock().request(self.number, more as u64, (self.most - self.held) as u64);
        if let Some(granted) = waiting {
            // Fails only if the claim is dropped, which it is not while it waits.
            let _ = granted.await;
        }
        self.held = bytes;
    }

    /// For how long another transfer has been waiting for what this one and others hold. `None` if none waits.
    pub(crate) fn contended_for(&self) -> Option<Duration> {
        self.pool.lock().contended_for()
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.pool.lock().release(self.number);
    }
}
