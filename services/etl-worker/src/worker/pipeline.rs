use jiff::Timestamp;
use tracing::{error, warn};

use super::config::WorkerConfig;
use super::error::RoundError;
use crate::metrics::Metrics;
use crate::output::Output;
use crate::store::{Job, MAX_TRIES, Store};

/// The way of a round's jobs from records to committed files: `extract.rs` reads games and computes their rows, `plan.rs`
/// decides which files they go to, `load.rs` writes and commits these.
#[derive(Clone)]
pub struct Pipeline {
    /// The settings.
    pub config: WorkerConfig,
    /// Where the jobs and records are.
    pub store: Store,
    /// Where the files go.
    pub output: Output,
    /// The jobs, rows and files are counted here.
    pub metrics: Metrics,
}

impl Pipeline {
    /// Counts a failure of a job, and logs it.
    pub(super) async fn fail(&self, job: &Job, reason: &str) -> Result<(), RoundError> {
        let tries = self.store.fail(job, reason, &Timestamp::now().to_string()).await?;
        match tries {
            0 => self.count_jobs("lost", 1),
            tries if tries < MAX_TRIES => {
                self.count_jobs("failed", 1);
                warn!(game = %job.game, tries, "game {} cannot be written yet: {reason}", job.game);
            }
            tries => {
                self.count_jobs("dead", 1);
                error!(game = %job.game, tries, "game {} is a dead letter: {reason}", job.game);
            }
        }
        Ok(())
    }

    pub(super) fn count_jobs(&self, result: &str, jobs: usize) {
        self.metrics.jobs.with_label_values(&[result]).inc_by(jobs as u64);
    }
}
