use jiff::Timestamp;
use tracing::{error, warn};

use super::config::WorkerConfig;
use super::error::RoundError;
use crate::metrics::Metrics;
use crate::output::Output;
use crate::recent_files::RecentFiles;
use crate::store::{Failure, InvalidJob, Job, Jobs, Store};
use crate::text::printable;

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
    /// The last files, for the page.
    pub files: RecentFiles,
}

impl Pipeline {
    /// Counts a failure of a job, and logs it.
    pub(super) async fn fail(&self, job: &Job, reason: &str) -> Result<(), RoundError> {
        let reason = printable(reason, MAX_REASON);
        match self.store.fail(job, &reason, &Timestamp::now().to_string()).await? {
            Failure::Lost => self.count_jobs("lost", 1),
            Failure::Counted(tries) => {
                self.count_jobs("failed", 1);
                warn!(game = %job.game, tries, "game {} cannot be written yet: {reason}", job.game);
            }
            Failure::Dead(tries) => {
                self.count_jobs("dead", 1);
                error!(game = %job.game, tries, "game {} is a dead letter: {reason}", job.game);
            }
        }
        Ok(())
    }

    /// The jobs among what was taken from the stream. The rest is logged and removed.
    pub(super) async fn keep_valid(&self, taken: Jobs) -> Result<Vec<Job>, RoundError> {
        if !taken.invalid.is_empty() {
            self.store.discard(&taken.invalid).await?;
            self.metrics.invalid_jobs.inc_by(taken.invalid.len() as u64);
            for InvalidJob { entry_id, text } in &taken.invalid {
                warn!("removed entry {entry_id} of etl:jobs, which is no job: {text}");
            }
        }
        Ok(taken.valid)
    }

    pub(super) fn count_jobs(&self, result: &str, jobs: usize) {
        self.metrics.jobs.with_label_values(&[result]).inc_by(jobs as u64);
    }
}

/// The most characters of a reason that are kept. What is wrong with a game may quote its records.
const MAX_REASON: usize = 500;
