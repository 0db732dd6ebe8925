//! Jobs to files: claim, read, plan, set aside, publish, commit.
//!
//! A job is a worker's while its entry is pending to it, and a worker renews that while it lives. Which file a game goes
//! to is planned in Redis before the file is made, so whoever takes the job over meets the same file: if it is there, only
//! the commit is left to do.

mod leases;
mod round;
mod writing;

use std::sync::Arc;
use std::time::Duration;

use chassis::Gate;
use fred::clients::Client;
use fred::error::{Error, ErrorKind};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use self::leases::Leases;
use self::writing::Writing;
use crate::metrics::Metrics;
use crate::output::{Output, OutputError};
use crate::part::Codec;
use crate::store::{Cleaning, Job, Store};

/// How a worker goes about its jobs.
#[derive(Clone)]
pub struct Manner {
    /// Its name in file names.
    pub name: Arc<str>,
    /// Told apart from every other process, also in file names of batches.
    pub consumer: Arc<str>,
    /// How new files are compressed.
    pub codec: Codec,
    /// Games in a file at most; 1 is a file per game.
    pub batch_games: usize,
    /// How long a file may wait for more games.
    pub batch_wait: Duration,
    /// How long a job may go without being renewed.
    pub lease: Duration,
    /// How games are let go.
    pub cleaning: Cleaning,
}

/// Works on jobs in rounds: one is written while the next is read.
pub struct Worker {
    /// How it goes about them.
    pub manner: Manner,
    /// Where they are.
    pub store: Store,
    /// The connection that waits for new ones.
    pub blocking: Client,
    /// Where files go.
    pub output: Output,
    /// Whether the output can be written.
    pub gate: Gate,
    /// What it counts.
    pub metrics: Metrics,
}

/// Where a worker stands.
struct Course {
    /// When it looks next for jobs that nobody renewed.
    take_over_at: Instant,
    /// How many files of batches it has named.
    batches: u64,
    writing: Writing,
}

#[derive(Debug, thiserror::Error)]
enum RoundError {
    #[error("redis: {}", .0.details())]
    Redis(#[from] Error),
    #[error(transparent)]
    Output(#[from] OutputError),
}

impl Worker {
    /// Works until `stopping`, and then ends the rounds it is in.
    ///
    /// # Errors
    /// Never: what fails is tried again.
    pub async fn run(self, stopping: CancellationToken) -> anyhow::Result<()> {
        let worker = Arc::new(self);
        let mut course = Course { take_over_at: Instant::now(), batches: 0, writing: Writing::default() };
        worker.await_output(&stopping).await;
        while !stopping.is_cancelled() {
            if let Err(failure) = worker.turn(&mut course, &stopping).await {
                worker.recover(failure, &stopping).await;
            }
        }
        if let Err(failure) = course.writing.end().await {
            worker.recover(failure, &stopping).await;
        }
        Ok(())
    }

    async fn turn(
        self: &Arc<Self>,
        course: &mut Course,
        stopping: &CancellationToken,
    ) -> Result<(), RoundError> {
        let mut jobs = Vec::new();
        if Instant::now() >= course.take_over_at {
            jobs = self.store.claim(self.manner.lease, ROUND).await?;
            if jobs.is_empty() {
                course.take_over_at = Instant::now() + self.manner.lease / 4;
            } else {
                info!(jobs = jobs.len(), "took over {} jobs that nobody renewed", jobs.len());
            }
        }
        if jobs.is_empty() {
            jobs = self.store.wait_for_jobs(&self.blocking, ROUND.max(self.manner.batch_games), WAIT).await?;
        }
        if jobs.is_empty() {
            return course.writing.look().await;
        }
        let leases = Leases::new(self.store.clone(), self.manner.lease);
        leases.add(&jobs);
        self.fill(&mut jobs, &leases, &mut course.writing, stopping).await?;
        let drafts = self.drafts(jobs, &mut course.batches).await?;
        // One round is written while the next is read, and no more, which bounds the memory.
        course.writing.end().await?;
        if !drafts.is_empty() {
            let worker = Arc::clone(self);
            course.writing.begin(async move {
                let _leases = leases;
                worker.write(drafts).await
            });
        }
        Ok(())
    }

    /// Waits for more games for the same file.
    async fn fill(
        &self,
        jobs: &mut Vec<Job>,
        leases: &Leases,
        writing: &mut Writing,
        stopping: &CancellationToken,
    ) -> Result<(), RoundError> {
        let (deadline, most) = (Instant::now() + self.manner.batch_wait, self.manner.batch_games);
        while jobs.len() < most && Instant::now() < deadline && !stopping.is_cancelled() {
            // Where the output refuses, somebody else should have the jobs.
            writing.look().await?;
            let wait = WAIT.min(deadline.saturating_duration_since(Instant::now()));
            let more = self.store.wait_for_jobs(&self.blocking, most - jobs.len(), wait).await?;
            leases.add(&more);
            jobs.extend(more);
        }
        Ok(())
    }

    /// Jobs of a round that failed stay pending; whoever is well takes them over after the lease.
    async fn recover(&self, failure: RoundError, stopping: &CancellationToken) {
        match failure {
            RoundError::Output(OutputError::Fenced(part)) => warn!("somebody else finished {part}"),
            RoundError::Output(refused) => {
                self.metrics.output_errors.inc();
                self.gate.close(refused.to_string());
                self.await_output(stopping).await;
            }
            RoundError::Redis(error) if error.details().starts_with("NOGROUP") => {
                // A new Redis, or one that was emptied.
                if let Err(error) = self.store.create_group().await {
                    debug!("make the group: {}", error.details());
                }
            }
            RoundError::Redis(error) => {
                match error.kind() {
                    // The gate says so, once.
                    ErrorKind::IO | ErrorKind::Timeout | ErrorKind::Canceled => {
                        debug!("redis: {}", error.details())
                    }
                    _ => warn!("redis: {}", error.details()),
                }
                // Only keeps the loop from spinning.
                let _ = timeout(RETRY, stopping.cancelled()).await;
            }
        }
    }

    /// Returns when the output can be written, or at the stop.
    async fn await_output(&self, stopping: &CancellationToken) {
        let mut pause = RETRY;
        while !stopping.is_cancelled() {
            match self.output.probe().await {
                Ok(()) => return self.gate.open(),
                Err(refused) => self.gate.close(refused.to_string()),
            }
            tokio::select! {
                () = sleep(pause) => pause = (pause * 2).min(MAX_PAUSE),
                () = stopping.cancelled() => {}
            }
        }
    }
}

/// Jobs of a round without batches: enough to share syncs, few enough to be quick.
const ROUND: usize = 64;
/// How long the stream is waited on at a time: what a stop may cost.
const WAIT: Duration = Duration::from_millis(250);
const RETRY: Duration = Duration::from_millis(200);
const MAX_PAUSE: Duration = Duration::from_secs(5);
