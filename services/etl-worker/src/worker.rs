//! Takes jobs and writes their games to files: read, plan, stage, publish, commit.
//!
//! A worker owns a job while the job's entry in the stream is pending to it, and it renews its jobs while it lives. Redis
//! records which file a game goes to before the file is written. A worker that takes the job over therefore looks for
//! the same file. If the file exists, only the commit is left to do.

mod config;
mod error;
mod extract;
mod leases;
mod load;
mod pipeline;
mod plan;
mod write_task;

use std::time::Duration;

use chassis::Gate;
use redis_core::error::{RETRY_INTERVAL_MS, reason};
use redis_core::{ErrorClass, RedisError};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use self::error::RoundError;
use self::leases::Leases;
use self::write_task::{WriteTask, Written};
use crate::output::OutputError;
use crate::stop::Stop;
use crate::store::{Job, JobReader};

pub use config::WorkerConfig;
pub use pipeline::Pipeline;

/// Processes jobs in rounds. While one round is written, the next is read.
pub struct Worker {
    /// What is done with the jobs of a round.
    pub pipeline: Pipeline,
    /// Where new jobs come from.
    pub jobs: JobReader,
    /// Open while the output can be written.
    pub gate: Gate,
}

struct WorkerState {
    /// When to look next for jobs that no worker renewed.
    next_takeover: Instant,
    /// How many files of several games this worker has named.
    batches: u64,
    /// The write of the round before.
    write: WriteTask,
    /// The error of Redis that was logged last.
    logged: String,
    /// Since when the output counts as bad although a small file can be written: until a real file is, or nobody has tried
    /// for long enough to say that there is nothing to write.
    failing_since: Option<Instant>,
    /// When to find out next whether the output can be written.
    next_probe: Instant,
}

impl Worker {
    /// Works until the process stops, and then completes the rounds it has started.
    ///
    /// # Errors
    /// Never: what fails is tried again.
    pub async fn run(self, stop: Stop) -> anyhow::Result<()> {
        if stop.complete(self.work(&stop.stopping)).await.is_none() {
            info!("redis does not answer: other workers take over what is under way");
        }
        Ok(())
    }

    async fn work(&self, stopping: &CancellationToken) {
        let mut state = WorkerState {
            next_takeover: Instant::now(),
            batches: 0,
            write: WriteTask::default(),
            logged: String::new(),
            failing_since: None,
            next_probe: Instant::now() + PROBE_INTERVAL,
        };
        self.wait_for_output(stopping).await;
        self.gate.open();
        while !stopping.is_cancelled() {
            if let Err(error) = self.run_round(&mut state, stopping).await {
                self.recover(error, &mut state, stopping).await;
            }
        }
        if let Err(error) = state.write.join().await {
            self.recover(error, &mut state, stopping).await;
        }
    }

    async fn run_round(
        &self,
        state: &mut WorkerState,
        stopping: &CancellationToken,
    ) -> Result<(), RoundError> {
        let Pipeline { config, store, .. } = &self.pipeline;
        self.check_output(state).await?;
        let mut jobs = Vec::new();
        if Instant::now() >= state.next_takeover {
            jobs = self.pipeline.keep_valid(store.claim(config.lease, ROUND_JOBS).await?).await?;
            if jobs.is_empty() {
                state.next_takeover = Instant::now() + config.lease / 4;
            } else {
                info!(jobs = jobs.len(), "took over {} jobs that no worker renewed", jobs.len());
            }
        }
        if jobs.is_empty() {
            let taken = self.jobs.read(ROUND_JOBS.max(config.batch_games), POLL_TIMEOUT).await?;
            jobs = self.pipeline.keep_valid(taken).await?;
        }
        if jobs.is_empty() {
            let written = state.write.check().await?;
            self.note(written, state);
            return Ok(());
        }
        let leases = Leases::new(store.clone(), config.lease);
        leases.add(&jobs);
        self.fill_batch(&mut jobs, &leases, state, stopping).await?;
        let parts = self.pipeline.plan_parts(jobs, &mut state.batches).await?;
        // One round is written while the next is read, and no more, which bounds the memory.
        let written = state.write.join().await?;
        self.note(written, state);
        if !parts.is_empty() {
            let pipeline = self.pipeline.clone();
            state.write.start(async move {
                let _leases = leases;
                pipeline.write(parts).await
            });
        }
        Ok(())
    }

    /// Waits for more games for the same file.
    async fn fill_batch(
        &self,
        jobs: &mut Vec<Job>,
        leases: &Leases,
        state: &mut WorkerState,
        stopping: &CancellationToken,
    ) -> Result<(), RoundError> {
        let config = &self.pipeline.config;
        let deadline = Instant::now() + config.batch_wait;
        while jobs.len() < config.batch_games && Instant::now() < deadline && !stopping.is_cancelled() {
            // If the output cannot be written, another worker should get the jobs.
            let written = state.write.check().await?;
            self.note(written, state);
            let wait = POLL_TIMEOUT.min(deadline.saturating_duration_since(Instant::now()));
            let taken = self.jobs.read(config.batch_games - jobs.len(), wait).await?;
            let more = self.pipeline.keep_valid(taken).await?;
            leases.add(&more);
            jobs.extend(more);
        }
        Ok(())
    }

    /// Handles a failed round. Its jobs stay pending; a worker takes them over after the lease.
    async fn recover(&self, error: RoundError, state: &mut WorkerState, stopping: &CancellationToken) {
        match error {
            RoundError::Output(OutputError::Fenced(part)) => warn!("another worker finished {part}"),
            RoundError::Output(error) => {
                self.pipeline.metrics.output_errors.inc();
                self.gate.close(error.to_string());
                self.wait_for_output(stopping).await;
                state.failing_since = Some(Instant::now());
                state.next_probe = Instant::now() + PROBE_INTERVAL;
            }
            RoundError::Redis(error) => {
                if !self.create_missing_group(&error, &mut state.logged).await {
                    self.pipeline.metrics.redis_errors.inc();
                    let _ = timeout(REDIS_RETRY_DELAY, stopping.cancelled()).await;
                }
            }
        }
    }

    /// Creates the consumer group if this error means that there is none, because Redis is new or was emptied. Otherwise
    /// logs the error, unless readiness does.
    async fn create_missing_group(&self, error: &RedisError, logged: &mut String) -> bool {
        let text = reason(error);
        if !ErrorClass::of(error).is_invalid() {
            debug!("redis: {text}");
            return false;
        }
        match self.pipeline.store.create_group().await {
            Ok(true) => {
                info!("created the consumer group of the jobs");
                return true;
            }
            Ok(false) if *logged != text => warn!("redis: {text}"),
            Ok(false) => {}
            Err(error) => debug!("create the consumer group: {}", reason(&error)),
        }
        *logged = text;
        false
    }

    /// Finds out from time to time whether the output can be written, also when there is nothing to write.
    async fn check_output(&self, state: &mut WorkerState) -> Result<(), RoundError> {
        if Instant::now() < state.next_probe {
            return Ok(());
        }
        state.next_probe = Instant::now() + PROBE_INTERVAL;
        self.pipeline.output.probe().await?;
        // What failed is tried again a lease later, by whomever. If nothing has failed here for three, it was written.
        if state.failing_since.is_some_and(|since| since.elapsed() > self.pipeline.config.lease * 3) {
            self.note(Written::Published, state);
        }
        Ok(())
    }

    /// Opens the gate once files have appeared after a failure.
    fn note(&self, written: Written, state: &mut WorkerState) {
        if written == Written::Published && state.failing_since.take().is_some() {
            self.gate.open();
        }
    }

    /// Waits until a small file can be written or `stopping` is cancelled.
    async fn wait_for_output(&self, stopping: &CancellationToken) {
        let mut delay = RETRY_DELAY;
        while !stopping.is_cancelled() {
            match stopping.run_until_cancelled(self.pipeline.output.probe()).await {
                Some(Ok(())) => return,
                Some(Err(error)) => self.gate.close(error.to_string()),
                None => return,
            }
            tokio::select! {
                () = sleep(delay) => delay = (delay * 2).min(MAX_RETRY_DELAY),
                () = stopping.cancelled() => {}
            }
        }
    }
}

/// Jobs of a round without batches: enough to share the cost of syncing, few enough to be quick.
const ROUND_JOBS: usize = 64;
/// How long one read of the stream waits for jobs. A stop may take this long.
const POLL_TIMEOUT: Duration = Duration::from_millis(250);
const RETRY_DELAY: Duration = Duration::from_millis(200);
const MAX_RETRY_DELAY: Duration = Duration::from_secs(5);
const PROBE_INTERVAL: Duration = Duration::from_secs(10);
/// How long a round waits that Redis refused.
const REDIS_RETRY_DELAY: Duration = Duration::from_millis(RETRY_INTERVAL_MS);
