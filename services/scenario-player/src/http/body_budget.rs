//! How many bytes of bodies may be under way together, so that many large posts cannot use up the memory.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The bytes that bodies may have together. Small bodies have their own, so they never wait for large ones.
pub(super) struct BodyBudget {
    large: Arc<Semaphore>,
    small: Arc<Semaphore>,
}

/// A part of the budget. It is free again when this is dropped.
pub(super) struct Share {
    bytes: usize,
    _permit: OwnedSemaphorePermit,
}

impl BodyBudget {
    pub(super) fn new(bytes: usize) -> Self {
        let semaphore = |bytes: usize| Arc::new(Semaphore::new(units(bytes) as usize));
        Self { large: semaphore(bytes), small: semaphore(SMALL_BODIES_BYTES) }
    }

    /// Takes a share for a body of so many bytes. Waits for it, in the order of these calls. `None` if it takes too long.
    pub(super) async fn take(&self, bytes: usize) -> Option<Share> {
        let semaphore = if bytes <= SMALL_BODY_BYTES { &self.small } else { &self.large };
        let permit = Arc::clone(semaphore).acquire_many_owned(units(bytes));
        let permit = tokio::time::timeout(MAX_WAIT, permit).await.ok()?.ok()?;
        Some(Share { bytes, _permit: permit })
    }
}

impl Share {
    /// The largest body that it is for.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

/// A semaphore counts KiB, as it cannot count so many bytes.
fn units(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(1 << 10).max(1)).unwrap_or(u32::MAX)
}

/// Up to here a body is small.
pub(super) const SMALL_BODY_BYTES: usize = 64 << 10;
const SMALL_BODIES_BYTES: usize = 8 << 20;
const MAX_WAIT: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_large_body_waits_for_another_and_a_small_one_does_not() {
        let budget = BodyBudget::new(100 << 20);
        let first = budget.take(60 << 20).await.unwrap();
        let mut second = std::pin::pin!(budget.take(60 << 20));
        assert!(second.as_mut().now_or_never().is_none());
        assert!(budget.take(SMALL_BODY_BYTES).await.is_some());
        drop(first);
        assert_eq!(second.await.unwrap().bytes(), 60 << 20);
    }
}
