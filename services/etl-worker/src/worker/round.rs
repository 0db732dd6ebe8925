//! A round: some jobs from their records to committed files.

use std::collections::BTreeMap;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use jiff::Timestamp;
use redis_core::id::GameToken;
use tracing::{error, warn};

use super::{RoundError, Worker};
use crate::game::{BadGame, Row, Tally};
use crate::output::Content;
use crate::part::Part;
use crate::store::{Job, MAX_TRIES, Records};

/// A part to be made, the games that it is to hold, and the jobs that are ours of them.
pub(super) struct Draft {
    part: Part,
    games: Vec<(GameToken, Vec<Row>)>,
    jobs: Vec<Job>,
}

enum Outcome {
    Planned(Part),
    Rows(Vec<Row>),
    Bad(BadGame),
}

impl Worker {
    /// The files that these jobs make necessary.
    pub(super) async fn drafts(&self, jobs: Vec<Job>, batches: &mut u64) -> Result<Vec<Draft>, RoundError> {
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
        Ok(drafts)
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
                    // Of the day (UTC) on which the job was made.
                    let day = job.made().strftime("%F").to_string();
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

    /// Makes the files, publishes them and commits their games.
    pub(super) async fn write(&self, drafts: Vec<Draft>) -> Result<(), RoundError> {
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
                let age = Timestamp::now().duration_since(job.made());
                self.metrics.latency.observe(age.as_secs_f64().max(0.0));
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
}

/// Games that are read in a round trip, and round trips under way.
const READ: usize = 32;
const READS: usize = 2;
/// Games that are committed in a round trip.
const COMMIT: usize = 250;
