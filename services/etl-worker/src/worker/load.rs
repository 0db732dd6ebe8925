//! Writes parts and commits their games.

use jiff::Timestamp;
use redis_core::id::GameToken;
use tracing::warn;

use super::error::RoundError;
use super::pipeline::Pipeline;
use super::write_task::Written;
use crate::output::{OutputError, PartContent, RefusedPart, Staged};
use crate::part::Part;
use crate::store::Job;
use crate::table::Rows;

/// A part that is to be written.
pub(super) struct PlannedPart {
    pub(super) part: Part,
    /// All games of the part, and their rows in each table.
    pub(super) games: Vec<(GameToken, Vec<Rows>)>,
    /// The jobs of those games that this worker owns.
    pub(super) jobs: Vec<Job>,
}

impl Pipeline {
    /// Writes and publishes the parts, and commits their games.
    pub(super) async fn write(&self, mut parts: Vec<PlannedPart>) -> Result<Written, RoundError> {
        let staged = self.stage(&mut parts).await?;
        if parts.is_empty() {
            return Ok(Written::Nothing);
        }
        // Only a worker that still owns the jobs may publish, and the check must come after staging. If another worker
        // has committed the jobs and a compaction has merged their files, then either this check fails, or the
        // compaction comes after it and removes the staged files.
        let entry_ids: Vec<String> =
            parts.iter().flat_map(|planned| &planned.jobs).map(|job| job.entry_id.clone()).collect();
        let renewed = self.store.renew_for_publishing(&entry_ids).await;
        if !matches!(&renewed, Ok(owned) if owned.iter().all(|owned| *owned)) {
            self.output.discard(staged).await;
            let lost = renewed?.into_iter().filter(|owned| !owned).count();
            warn!(lost, "lost {lost} jobs to other workers before their files were published");
            self.count_jobs("lost", lost);
            return Ok(Written::Nothing);
        }
        self.output.publish(staged).await?;
        self.metrics.parts.inc_by(parts.len() as u64);
        for PlannedPart { part, games, .. } in &parts {
            self.files.add(part, games.len(), games.iter().flat_map(|(_, rows)| rows));
        }
        self.commit(&parts).await?;
        Ok(Written::Published)
    }

    /// Stages the parts. Those whose names the output refuses are removed from `parts`: their jobs have failed, and no other.
    async fn stage(&self, parts: &mut Vec<PlannedPart>) -> Result<Staged, RoundError> {
        loop {
            let content = |planned: &PlannedPart| {
                let games = planned.games.iter().map(|(_, rows)| rows.as_slice());
                PartContent::new(planned.part.clone(), self.output.tables(), games)
            };
            match self.output.stage(parts.iter().map(content).collect()).await {
                Err(OutputError::Refused(refused)) => {
                    for RefusedPart { part, reason } in refused {
                        for planned in parts.extract_if(.., |planned| planned.part == part) {
                            for job in &planned.jobs {
                                self.fail(job, &reason).await?;
                            }
                        }
                    }
                }
                staged => return Ok(staged?),
            }
        }
    }

    /// Commits the jobs of parts that are published.
    pub(super) async fn commit(&self, parts: &[PlannedPart]) -> Result<(), RoundError> {
        let done: Vec<(&Job, &Part)> =
            parts.iter().flat_map(|planned| planned.jobs.iter().map(|job| (job, &planned.part))).collect();
        for done in done.chunks(GAMES_PER_COMMIT) {
            let committed = self.store.commit(done, self.config.cleanup).await?;
            for ((job, _), committed) in done.iter().zip(committed) {
                self.count_jobs(if committed { "committed" } else { "lost" }, 1);
                let age = Timestamp::now().duration_since(job.created_at());
                self.metrics.latency.observe(age.as_secs_f64().max(0.0));
            }
        }
        let rows = parts.iter().flat_map(|planned| &planned.games).flat_map(|(_, rows)| rows);
        let rows = rows.map(|rows| rows.len() as u64).sum();
        self.metrics.rows.inc_by(rows);
        Ok(())
    }
}

/// Games that are committed in one round trip.
const GAMES_PER_COMMIT: usize = 250;
