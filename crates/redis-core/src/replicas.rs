//! Acknowledged means replicated: `REDIS_WAIT_REPLICAS`.

use std::time::Duration;

use fred::clients::Client;
use fred::error::ErrorKind;
use fred::interfaces::{ClientLike, EventInterface, ServerInterface};
use tokio::sync::broadcast::error::TryRecvError;

use crate::builder::once;
use crate::error::{RedisError, TOO_FEW_REPLICAS};

/// How long a write may take to reach the replicas, in milliseconds.
const WAIT_MS: i64 = 1_000;

/// How many replicas must have a write before it is acknowledged to anybody.
///
/// Redis acknowledges a write before its replicas have it, so a failover may lose what was acknowledged a moment before.
/// With `WAIT` behind each write that matters, an acknowledged write is on as many replicas, and a failover by Sentinel
/// chooses the replica that has most.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WaitReplicas(pub(crate) u8);

impl WaitReplicas {
    /// Whether a write needs more than the primary.
    pub fn is_enabled(self) -> bool {
        self.0 > 0
    }

    /// Runs `write` on this client, and succeeds when enough replicas have what it wrote.
    ///
    /// # Errors
    /// That of `write`; otherwise one of the class [`CannotWrite`](crate::ErrorClass::CannotWrite) if too few replicas have
    /// it, or [`Unreachable`](crate::ErrorClass::Unreachable) if the connection was lost meanwhile. The write may have
    /// happened all the same: it must be such that it can be repeated.
    pub async fn confirm<T>(
        self,
        client: &Client,
        write: impl Future<Output = Result<T, RedisError>>,
    ) -> Result<T, RedisError> {
        if !self.is_enabled() {
            return write.await;
        }
        // WAIT is about the writes of its own connection: on another one it would say yes to what is lost.
        let mut reconnects = client.reconnect_rx();
        let written = write.await?;
        let once = once(Duration::from_millis(WAIT_MS as u64 + 500));
        let replicas: i64 = client.with_options(&once).wait(i64::from(self.0), WAIT_MS).await?;
        if !matches!(reconnects.try_recv(), Err(TryRecvError::Empty)) {
            return Err(RedisError::new(
                ErrorKind::IO,
                "the connection was lost before replicas had the write",
            ));
        }
        if replicas < i64::from(self.0) {
            let wanted = self.0;
            let text = format!("NOREPLICAS only {replicas} of {wanted} {TOO_FEW_REPLICAS}");
            return Err(RedisError::new(ErrorKind::Unknown, text));
        }
        Ok(written)
    }
}
