//! Decides which part each game goes to.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::stream::{self, StreamExt, TryStreamExt};
use redis_core::ErrorClass;
use redis_core::error::reason;

use super::error::RoundError;
use super::extract::{Extracted, GAMES_PER_READ};
use super::load::PlannedPart;
use super::pipeline::Pipeline;
use crate::output::OutputError;
use crate::part::{Layout, Part};
use crate::store::{Job, Planned};
use crate::table::Rows;

impl Pipeline {
    /// The parts that must be written for these jobs. `batches` counts the files of several games that were named so far.
    pub(super) async fn plan_parts(
        &self,
        jobs: Vec<Job>,
        batches: &mut u64,
    ) -> Result<Vec<PlannedPart>, RoundError> {
        let (mut new, mut planned_before) = (Vec::new(), BTreeMap::<Part, Vec<Job>>::new());
        let reads: Vec<_> = jobs.chunks(GAMES_PER_READ).map(|jobs| self.extract(jobs)).collect();
        let mut reads = stream::iter(reads).buffered(CONCURRENT_READS);
        while let Some(extracted) = reads.try_next().await? {
            for (job, result) in extracted {
                match result {
                    Extracted::Planned(part) => planned_before.entry(part).or_default().push(job),
                    Extracted::Rows(rows) => new.push((job, rows)),
                    Extracted::Invalid(reason) => self.fail(&job, &reason.to_string()).await?,
                    Extracted::Away => {}
                }
            }
        }
        drop(reads);
        let mut parts = self.plan_new(new, batches).await?;
        let names = planned_before.keys().map(|part| part.file_name().to_owned()).collect();
        let published = self.output.find(names).await?;
        for (part, jobs) in planned_before {
            parts.extend(self.resume(part, jobs, &published).await?);
        }
        Ok(parts)
    }

    /// Plans parts for games that have none.
    async fn plan_new(
        &self,
        games: Vec<(Job, Vec<Rows>)>,
        batches: &mut u64,
    ) -> Result<Vec<PlannedPart>, RoundError> {
        if games.is_empty() {
            return Ok(Vec::new());
        }
        let mut part_by_day = BTreeMap::<String, Part>::new();
        let games: Vec<(Job, Vec<Rows>, Part)> = games
            .into_iter()
            .map(|(job, rows)| {
                let part = self.choose_part(&job, &mut part_by_day, batches);
                (job, rows, part)
            })
            .collect();
        let plan: Vec<(&Job, &Part)> = games.iter().map(|(job, _, part)| (job, part)).collect();
        let planned = self.store.plan(&plan).await?;
        let mut parts = BTreeMap::<Part, PlannedPart>::new();
        for ((job, rows, part), planned) in games.into_iter().zip(planned) {
            match planned {
                Planned::Here => {}
                Planned::Lost => {
                    self.count_jobs("lost", 1);
                    continue;
                }
                Planned::Refused(reason) => {
                    self.fail(&job, &reason).await?;
                    continue;
                }
            }
            let empty = || PlannedPart { part: part.clone(), games: Vec::new(), jobs: Vec::new() };
            let planned = parts.entry(part.clone()).or_insert_with(empty);
            planned.games.push((job.game.clone(), rows));
            planned.jobs.push(job);
        }
        Ok(parts.into_values().collect())
    }

    /// A part of its own for the game, or with batches the part of the day (UTC) on which the job was created.
    fn choose_part(&self, job: &Job, part_by_day: &mut BTreeMap<String, Part>, batches: &mut u64) -> Part {
        let config = &self.config;
        let day = job.created_at().strftime("%F").to_string();
        match (config.batch_games, config.layout) {
            (1, Layout::Flat) => return Part::of_game(&job.game, &config.name, config.codec),
            (1, Layout::Partitioned) => {
                return Part::of_game_on(&day, &job.game, &config.name, config.codec);
            }
            _ => {}
        }
        let next_batch = || {
            *batches += 1;
            Part::of_batch(&day, &format!("{}-{batches}", config.consumer), config.codec)
        };
        part_by_day.entry(day.clone()).or_insert_with(next_batch).clone()
    }

    /// Continues with a part that a worker planned before. If it is published, its games are committed. Otherwise it has
    /// to be written again, with exactly the same games. `published` are the files of its name in tables with partitions.
    async fn resume(
        &self,
        part: Part,
        jobs: Vec<Job>,
        published: &BTreeSet<(String, Part)>,
    ) -> Result<Option<PlannedPart>, RoundError> {
        let is_published = match self.output.exists(&part).await {
            Err(OutputError::Refused(refused)) => {
                let reason = refused.first().map(|refused| refused.reason.as_str()).unwrap_or_default();
                self.fail_all(&jobs, reason).await?;
                return Ok(None);
            }
            is_published => is_published?,
        };
        if is_published {
            self.commit(&[PlannedPart { part, games: Vec::new(), jobs }]).await?;
            return Ok(None);
        }
        let tokens = match self.store.uncommitted_games(&part).await {
            Err(error) if ErrorClass::of(&error).is_invalid() => {
                let reason = format!("the games of file {part} cannot be read: {}", reason(&error));
                self.fail_all(&jobs, &reason).await?;
                return Ok(None);
            }
            tokens => tokens?,
        };
        // Without its list, it is not known which games a file has: it must not be written without one of them.
        let (jobs, unlisted): (Vec<Job>, Vec<Job>) =
            jobs.into_iter().partition(|job| tokens.contains(&job.game));
        self.fail_all(&unlisted, &format!("the game is not in the list of file {part}")).await?;
        if jobs.is_empty() {
            return Ok(None);
        }
        let mut games = Vec::with_capacity(tokens.len());
        for tokens in tokens.chunks(GAMES_PER_READ) {
            let records = self.store.read(&tokens.iter().collect::<Vec<_>>(), true).await?;
            for (game, records) in tokens.iter().zip(records) {
                if records.part.as_ref() != Some(&part) {
                    // Something that is no game of this file was put into its list.
                    continue;
                }
                if records.is_away {
                    return Ok(None);
                }
                match self.compute_rows(game, records).await? {
                    Ok(rows) => games.push((game.clone(), rows)),
                    Err(reason) => {
                        self.fail_all(&jobs, &format!("file {part}: game {game}: {reason}")).await?;
                        return Ok(None);
                    }
                }
            }
        }
        // The records may have changed since a worker died: rows must not be in a second folder too.
        let rows = games.iter().flat_map(|(_, rows)| rows);
        let paths: BTreeSet<(&str, String)> =
            rows.map(|rows| (rows.table.name(), part.path_in(&rows.folder))).collect();
        let is_old = |(table, found): &&(String, Part)| {
            found.file_name() == part.file_name() && !paths.contains(&(table, found.to_string()))
        };
        if let Some((table, found)) = published.iter().find(is_old) {
            let reason = format!(
                "{table}/{found} was written before the records changed; remove it to write them again"
            );
            self.fail_all(&jobs, &reason).await?;
            return Ok(None);
        }
        Ok(Some(PlannedPart { part, games, jobs }))
    }

    async fn fail_all(&self, jobs: &[Job], reason: &str) -> Result<(), RoundError> {
        for job in jobs {
            self.fail(job, reason).await?;
        }
        Ok(())
    }
}

/// Round trips for reading games that are under way at a time.
const CONCURRENT_READS: usize = 2;
