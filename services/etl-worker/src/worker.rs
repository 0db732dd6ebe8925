//! Jobs to files: claim, read, plan, set aside, publish, commit.
//!
//! A job is a worker's while its entry is pending to it, and a worker renews that while it lives. Which file a game goes
//! to is planned in Redis before the file is made, so whoever takes the job over meets the same file: if it is there, only
//! the commit is left to do.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use chassis::Gate;
use fred::clients::Client;
use fred::error::{Error, ErrorKind};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use jiff::Timestamp;
use redis_core::id::GameToken;
use tokio::time::{Instant, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use crate::game::{BadGame, Row, Tally};
use crate::metrics::Metrics;
use crate::output::{Content, Output, OutputError};
use crate::part::{Codec, Part};
use crate::store::{Cleaning, Job, MAX_TRIES, Records, Store};

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

/// Works on jobs, one round after the other.
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

/// A part to be made, the games that it is to hold, and the jobs that are ours of them.
struct Draft {
    part: Part,
    games: Vec<(GameToken, Vec<Row>)>,
    jobs: Vec<Job>,
}

#[derive(Debug, thiserror::Error)]
enum RoundError {
    #[error("redis: {}", .0.details())]
    Redis(#[from] Error),
    #[error(transparent)]
    Output(#[from] OutputError),
}

impl Worker {
    /// Works until `stopping`, and then ends the round it is in.
    ///
    /// # Errors
    /// Never: what fails is tried again.
    pub async fn run(self, stopping: CancellationToken) -> anyhow::Result<()> {
        let mut batches = 0_u64;
        let mut take_over_at = Instant::now();
        self.await_output(&stopping).await;
        while !stopping.is_cancelled() {
            if let Err(failure) = self.turn(&stopping, &mut take_over_at, &mut batches).await {
                self.recover(failure, &stopping).await;
            }
        }
        Ok(())
    }

    async fn turn(
        &self,
        stopping: &CancellationToken,
        take_over_at: &mut Instant,
        batches: &mut u64,
    ) -> Result<(), RoundError> {
        let mut jobs = Vec::new();
        if Instant::now() >= *take_over_at {
            jobs = self.store.claim(self.manner.lease, ROUND).await?;
            if jobs.is_empty() {
                *take_over_at = Instant::now() + self.manner.lease / 4;
            } else {
                info!(jobs = jobs.len(), "took over {} jobs that nobody renewed", jobs.len());
            }
        }
        if jobs.is_empty() {
            jobs = self.store.wait_for_jobs(&self.blocking, ROUND.max(self.manner.batch_games), WAIT).await?;
        }
        if jobs.is_empty() {
            return Ok(());
        }
        self.while_renewing(&[], self.fill(&mut jobs, stopping)).await?;
        let entries: Vec<String> = jobs.iter().map(|job| job.entry.clone()).collect();
        self.while_renewing(&entries, self.round(jobs, batches)).await
    }

    /// Waits for more games for the same file.
    async fn fill(&self, jobs: &mut Vec<Job>, stopping: &CancellationToken) -> Result<(), RoundError> {
        let (deadline, most) = (Instant::now() + self.manner.batch_wait, self.manner.batch_games);
        let mut renew_at = Instant::now() + self.manner.lease / 3;
        while jobs.len() < most && Instant::now() < deadline && !stopping.is_cancelled() {
            let wait = WAIT.min(deadline.saturating_duration_since(Instant::now()));
            jobs.extend(self.store.wait_for_jobs(&self.blocking, most - jobs.len(), wait).await?);
            if Instant::now() >= renew_at {
                let entries: Vec<String> = jobs.iter().map(|job| job.entry.clone()).collect();
                self.store.renew(&entries).await?;
                renew_at = Instant::now() + self.manner.lease / 3;
            }
        }
        Ok(())
    }

    /// Does `work` to its end and meanwhile keeps these jobs ours. That they still are is checked before files are published.
    async fn while_renewing<T>(&self, entries: &[String], work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        let mut ticks = interval(self.manner.lease / 3);
        ticks.tick().await;
        loop {
            tokio::select! {
                done = &mut work => return done,
                _ = ticks.tick() => {
                    if let Err(error) = self.store.renew(entries).await {
                        debug!("renew jobs: {}", error.details());
                    }
                }
            }
        }
    }

    async fn round(&self, jobs: Vec<Job>, batches: &mut u64) -> Result<(), RoundError> {
        let (mut fresh, mut planned) = (Vec::new(), BTreeMap::<Part, Vec<Job>>::new());
        let reads: Vec<_> = jobs.chunks(READ).map(|jobs| self.read(jobs)).collect();
        let mut reads = stream::iter(reads).buffered(READS);
        while let Some(read) = reads.try_next().await? {
            for (job, outcome) in read {
                match outcome {
                    Outcome::Planned(part) => planned.entry(part).or_default().push(job),
                    Outcome::Rows(rows) => fresh.push((job, rows)),
                    Outcome::Bad(reason) => self.fail(&job, &reason.to_string()).await?,
                }
            }
        }
        drop(reads);
        let mut drafts = self.plan(fresh, batches).await?;
        for (part, jobs) in planned {
            drafts.extend(self.resume(part, jobs).await?);
        }
        if drafts.is_empty() { Ok(()) } else { self.write(drafts).await }
    }

    /// Plans files for games that have none.
    async fn plan(&self, games: Vec<(Job, Vec<Row>)>, batches: &mut u64) -> Result<Vec<Draft>, RoundError> {
        let mut parts = BTreeMap::<String, Part>::new();
        let games: Vec<(Job, Vec<Row>, Part)> = games
            .into_iter()
            .map(|(job, rows)| {
                let part = if self.manner.batch_games == 1 {
                    Part::of_game(&job.game, &self.manner.name, self.manner.codec)
                } else {
                    let day = day_of(&job.entry);
                    let next = || {
                        *batches += 1;
                        Part::of_batch(
                            &day,
                            &format!("{}-{batches}", self.manner.consumer),
                            self.manner.codec,
                        )
                    };
                    parts.entry(day.clone()).or_insert_with(next).clone()
                };
                (job, rows, part)
            })
            .collect();
        if games.is_empty() {
            return Ok(Vec::new());
        }
        let plan: Vec<(&Job, &Part)> = games.iter().map(|(job, _, part)| (job, part)).collect();
        let held = self.store.plan(&plan).await?;
        let mut drafts = BTreeMap::<Part, Draft>::new();
        for ((job, rows, part), held) in games.into_iter().zip(held) {
            if !held {
                self.count("lost", 1);
                continue;
            }
            let empty = || Draft { part: part.clone(), games: Vec::new(), jobs: Vec::new() };
            let draft = drafts.entry(part.clone()).or_insert_with(empty);
            draft.games.push((job.game.clone(), rows));
            draft.jobs.push(job);
        }
        Ok(drafts.into_values().collect())
    }

    /// Goes on with a file that somebody planned before: it is published, or it is made again with exactly its games.
    async fn resume(&self, part: Part, jobs: Vec<Job>) -> Result<Option<Draft>, RoundError> {
        if self.output.holds(&part).await? {
            self.commit(&[Draft { part, games: Vec::new(), jobs }]).await?;
            return Ok(None);
        }
        let tokens = self.store.games_of(&part).await?;
        let mut games = Vec::with_capacity(tokens.len());
        for tokens in tokens.chunks(READ) {
            let records = self.store.read(&tokens.iter().collect::<Vec<_>>(), true).await?;
            for (game, records) in tokens.iter().zip(records) {
                match self.tally(game, records).await? {
                    Ok(rows) => games.push((game.clone(), rows)),
                    Err(reason) => {
                        for job in &jobs {
                            self.fail(job, &format!("file {part}: game {game}: {reason}")).await?;
                        }
                        return Ok(None);
                    }
                }
            }
        }
        Ok(Some(Draft { part, games, jobs }))
    }

    async fn write(&self, drafts: Vec<Draft>) -> Result<(), RoundError> {
        let content = |draft: &Draft| {
            let games = draft.games.iter().map(|(game, rows)| (game.as_str(), rows.as_slice()));
            Content::new(draft.part.clone(), games)
        };
        let staged = self.output.stage(drafts.iter().map(content).collect()).await?;
        // Only who still holds the jobs may publish: a compaction after somebody else's commit has taken away what was
        // set aside before this, and what is set aside after it is not published.
        let entries: Vec<String> =
            drafts.iter().flat_map(|draft| &draft.jobs).map(|job| job.entry.clone()).collect();
        let held = self.store.renew(&entries).await;
        if !matches!(&held, Ok(held) if held.iter().all(|held| *held)) {
            self.output.discard(staged).await;
            let lost = held?.into_iter().filter(|held| !held).count();
            warn!(lost, "lost {lost} jobs to other workers before their files were published");
            self.count("lost", lost);
            return Ok(());
        }
        self.output.publish(staged).await?;
        self.metrics.parts.inc_by(drafts.len() as u64);
        self.commit(&drafts).await
    }

    async fn commit(&self, drafts: &[Draft]) -> Result<(), RoundError> {
        let done: Vec<(&Job, &Part)> =
            drafts.iter().flat_map(|draft| draft.jobs.iter().map(|job| (job, &draft.part))).collect();
        for done in done.chunks(COMMIT) {
            let committed = self.store.commit(done, self.manner.cleaning).await?;
            for ((job, _), committed) in done.iter().zip(committed) {
                self.count(if committed { "committed" } else { "lost" }, 1);
                let made_ms =
                    job.entry.split('-').next().and_then(|ms| ms.parse::<i64>().ok()).unwrap_or_default();
                let age_ms = Timestamp::now().as_millisecond() - made_ms;
                self.metrics
                    .latency
                    .observe(Duration::from_millis(age_ms.try_into().unwrap_or_default()).as_secs_f64());
            }
        }
        let rows = drafts.iter().flat_map(|draft| &draft.games).map(|(_, rows)| rows.len() as u64).sum();
        self.metrics.rows.inc_by(rows);
        Ok(())
    }

    /// Reads and adds up games, a round trip for all of them unless one has a very long log.
    async fn read(&self, jobs: &[Job]) -> Result<Vec<(Job, Outcome)>, RoundError> {
        let games: Vec<&GameToken> = jobs.iter().map(|job| &job.game).collect();
        let records = self.store.read(&games, false).await?;
        let mut outcomes = Vec::with_capacity(jobs.len());
        for (job, mut records) in jobs.iter().zip(records) {
            let outcome = match records.part.take() {
                Some(part) => Outcome::Planned(part),
                None => match self.tally(&job.game, records).await? {
                    Ok(rows) => Outcome::Rows(rows),
                    Err(reason) => Outcome::Bad(reason),
                },
            };
            outcomes.push((job.clone(), outcome));
        }
        Ok(outcomes)
    }

    async fn tally(
        &self,
        game: &GameToken,
        records: Records,
    ) -> Result<Result<Vec<Row>, BadGame>, RoundError> {
        if let Some(reason) = records.unreadable {
            return Ok(Err(BadGame::Unreadable(reason)));
        }
        let mut tally = match Tally::new(game.as_str(), records.players) {
            Ok(tally) => tally,
            Err(reason) => return Ok(Err(reason)),
        };
        let (mut log, mut read) = (records.log, 0);
        loop {
            read += log.len();
            for entry in &log {
                if let Err(reason) = tally.add(entry.as_bytes().unwrap_or_default()) {
                    return Ok(Err(reason));
                }
            }
            if log.is_empty() || read >= records.log_length {
                return Ok(Ok(tally.rows()));
            }
            log = self.store.log(game, read).await?;
        }
    }

    async fn fail(&self, job: &Job, reason: &str) -> Result<(), RoundError> {
        let tries = self.store.fail(job, reason, &Timestamp::now().to_string()).await?;
        match tries {
            0 => self.count("lost", 1),
            tries if tries < MAX_TRIES => {
                self.count("failed", 1);
                warn!(game = %job.game, tries, "game {} cannot be written yet: {reason}", job.game);
            }
            tries => {
                self.count("dead", 1);
                error!(game = %job.game, tries, "game {} is a dead letter: {reason}", job.game);
            }
        }
        Ok(())
    }

    fn count(&self, result: &str, jobs: usize) {
        self.metrics.jobs.with_label_values(&[result]).inc_by(jobs as u64);
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

enum Outcome {
    Planned(Part),
    Rows(Vec<Row>),
    Bad(BadGame),
}

/// The day (UTC) on which a job was made, from the id of its entry.
fn day_of(entry: &str) -> String {
    let ms = entry.split('-').next().and_then(|ms| ms.parse().ok()).unwrap_or_default();
    let day = Timestamp::from_millisecond(ms).context("a time").unwrap_or_default();
    day.strftime("%F").to_string()
}

/// Jobs of a round without batches: enough to share syncs, few enough to be quick.
const ROUND: usize = 64;
/// Games that are read in a round trip, and round trips under way.
const READ: usize = 32;
const READS: usize = 2;
/// Games that are committed in a round trip.
const COMMIT: usize = 250;
/// How long the stream is waited on at a time: what a stop may cost.
const WAIT: Duration = Duration::from_millis(250);
const RETRY: Duration = Duration::from_millis(200);
const MAX_PAUSE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_lies_in_the_folder_of_the_day_its_jobs_were_made() {
        assert_eq!(day_of("1664625600123-0"), "2022-10-01");
        assert_eq!(day_of("garbage"), "1970-01-01");
    }
}
