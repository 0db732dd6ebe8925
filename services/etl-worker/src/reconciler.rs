//! Finds the games that ended without a message, and does the periodic maintenance.

use std::time::Duration;

use redis_core::RedisError;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::metrics::Metrics;
use crate::output::Output;
use crate::store::Store;

/// Creates jobs for games whose message was lost. All workers run one; a lease lets one of them look at a time.
pub struct Reconciler {
    /// Where the games and jobs are.
    pub store: Store,
    /// Where abandoned files are removed.
    pub output: Output,
    /// How long a game must have been `Completed` and unchanged.
    pub settle: Duration,
    /// The jobs, the backlog and the dead letters are counted here.
    pub metrics: Metrics,
}

impl Reconciler {
    /// Looks for games once a second until `stopping` is cancelled.
    ///
    /// # Errors
    /// Never: what fails is tried again.
    pub async fn run(self, stopping: CancellationToken) -> anyhow::Result<()> {
        let mut next_cleanup = Instant::now();
        while timeout(INTERVAL, stopping.cancelled()).await.is_err() {
            if let Err(error) = self.reconcile().await {
                debug!("look for ended games: {}", error.details());
            }
            if Instant::now() >= next_cleanup {
                next_cleanup = Instant::now() + CLEANUP_INTERVAL;
                self.remove_abandoned().await;
            }
        }
        Ok(())
    }

    async fn reconcile(&self) -> Result<(), RedisError> {
        let (backlog, dead) = self.store.queue_lengths().await?;
        self.metrics.backlog.set(i64::try_from(backlog).unwrap_or(i64::MAX));
        self.metrics.dead.set(i64::try_from(dead).unwrap_or(i64::MAX));
        // Shorter than the interval, so that it has expired when the next look is due.
        if !self.store.acquire_reconciler_lease(INTERVAL.mul_f32(0.9)).await? {
            return Ok(());
        }
        let mut cursor = "0".to_owned();
        loop {
            let page = self.store.scan_games(cursor).await?;
            if page.invalid_tokens > 0 {
                debug!("ignored {} games with an invalid token", page.invalid_tokens);
            }
            if !page.games.is_empty() {
                let queued = self.store.enqueue_settled(&page.games, self.settle).await?;
                if queued > 0 {
                    info!(queued, "found {queued} completed games without a message");
                    self.metrics.reconciled.inc_by(queued);
                }
            }
            if page.next_cursor == "0" {
                return Ok(());
            }
            cursor = page.next_cursor;
        }
    }

    /// Removes what workers that ended have left behind: their consumers in Redis, and their files.
    async fn remove_abandoned(&self) {
        if let Err(error) = self.store.remove_idle_consumers().await {
            debug!("remove the consumers of workers that ended: {}", error.details());
        }
        if let Err(error) = self.output.remove_abandoned().await {
            warn!("{error}");
        }
    }
}

const INTERVAL: Duration = Duration::from_secs(1);
const CLEANUP_INTERVAL: Duration = Duration::from_secs(60);
