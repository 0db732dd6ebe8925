//! Counts the dead letters in Redis, for the metrics.

use std::time::Duration;

use prometheus::IntGauge;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::store::{DeadLetterStore, StoreFailure};

/// Counts again and again until `stopping`.
///
/// # Errors
/// Never.
pub(crate) async fn run(
    store: DeadLetterStore,
    count: IntGauge,
    stopping: CancellationToken,
) -> anyhow::Result<()> {
    let mut is_refused = false;
    loop {
        match store.count().await {
            Ok(dead_letters) => {
                is_refused = false;
                count.set(i64::try_from(dead_letters).unwrap_or(i64::MAX));
            }
            Err(StoreFailure::Refused(reason)) if !is_refused => {
                is_refused = true;
                warn!("dead letters cannot be counted: {reason}");
            }
            // The gate `redis` shows it, and the number stays as it was.
            Err(_) => {}
        }
        if stopping.run_until_cancelled(tokio::time::sleep(INTERVAL)).await.is_none() {
            return Ok(());
        }
    }
}

const INTERVAL: Duration = Duration::from_secs(5);
