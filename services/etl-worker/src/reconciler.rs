//! Finds games that ended without a message that was heard, and does what has to be done now and then.

use std::time::Duration;

use fred::error::Error;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::metrics::Metrics;
use crate::output::Output;
use crate::output::folder::blocking;
use crate::store::Store;

/// Looks after what messages do not tell.
pub struct Reconciler {
    /// Where the games are.
    pub store: Store,
    /// Where files were set aside.
    pub output: Output,
    /// How long a game must have been completed and unchanged.
    pub settle: Duration,
    /// What it counts.
    pub metrics: Metrics,
}

impl Reconciler {
    /// Looks once a second, one worker for all, until `stopping`.
    ///
    /// # Errors
    /// Never: what fails is tried again.
    pub async fn run(self, stopping: CancellationToken) -> anyhow::Result<()> {
        let mut sweep_at = Instant::now();
        while timeout(INTERVAL, stopping.cancelled()).await.is_err() {
            if let Err(error) = self.look().await {
                debug!("look for ended games: {}", error.details());
            }
            if Instant::now() >= sweep_at {
                sweep_at = Instant::now() + SWEEP_INTERVAL;
                self.sweep().await;
            }
        }
        Ok(())
    }

    async fn look(&self) -> Result<(), Error> {
        let (backlog, dead) = self.store.depths().await?;
        self.metrics.backlog.set(i64::try_from(backlog).unwrap_or(i64::MAX));
        self.metrics.dead.set(i64::try_from(dead).unwrap_or(i64::MAX));
        if !self.store.lead(INTERVAL.mul_f32(0.9)).await? {
            return Ok(());
        }
        let mut cursor = "0".to_owned();
        loop {
            let (next, games, bad) = self.store.scan(cursor).await?;
            if bad > 0 {
                debug!("{bad} games have a token that cannot be used");
            }
            if !games.is_empty() {
                let queued = self.store.settle(&games, self.settle).await?;
                if queued > 0 {
                    info!(queued, "found {queued} completed games without a message");
                    self.metrics.reconciled.inc_by(queued);
                }
            }
            if next == "0" {
                return Ok(());
            }
            cursor = next;
        }
    }

    async fn sweep(&self) {
        if let Err(error) = self.store.sweep().await {
            debug!("forget workers that ended: {}", error.details());
        }
        if let Output::Folder(folder) = self.output.clone()
            && let Err(error) = blocking(move || folder.sweep()).await
        {
            warn!("{error}");
        }
    }
}

const INTERVAL: Duration = Duration::from_secs(1);
const SWEEP_INTERVAL: Duration = Duration::from_secs(60);
