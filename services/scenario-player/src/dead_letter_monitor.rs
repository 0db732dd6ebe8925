//! Counts the dead letters that wait, for the metrics.

use std::time::Duration;

use futures_util::future::try_join_all;
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;
use crate::timeline::Timeline;

/// Counts again and again until `stopping`.
///
/// # Errors
/// Never.
pub(crate) async fn run(
    timeline: Timeline,
    metrics: Metrics,
    stopping: CancellationToken,
) -> anyhow::Result<()> {
    loop {
        // While Redis does not answer, the number stays as it was.
        let counts = timeline.lanes().iter().map(|lane| timeline.count_dead_letters(lane));
        if let Ok(counts) = try_join_all(counts).await {
            metrics.set_dead_letters(counts.into_iter().sum());
        }
        if stopping.run_until_cancelled(tokio::time::sleep(INTERVAL)).await.is_none() {
            return Ok(());
        }
    }
}

/// So long that an idle instance has next to nothing to do.
const INTERVAL: Duration = Duration::from_secs(30);
