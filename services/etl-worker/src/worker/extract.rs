//! Reads the records of games and computes their rows.

use redis_core::id::GameToken;

use super::error::RoundError;
use super::pipeline::Pipeline;
use crate::game::{GameAggregator, InvalidGame, Row};
use crate::part::Part;
use crate::store::{GameRecords, Job};

/// What was found for a job.
pub(super) enum Extracted {
    /// The game was planned for this part before. Its records were not read.
    Planned(Part),
    /// The rows of the game.
    Rows(Vec<Row>),
    /// Why the game has no rows.
    Invalid(InvalidGame),
}

impl Pipeline {
    /// Reads the games of these jobs, in one round trip for all of them unless a game has a very long log.
    pub(super) async fn extract(&self, jobs: &[Job]) -> Result<Vec<(Job, Extracted)>, RoundError> {
        let games: Vec<&GameToken> = jobs.iter().map(|job| &job.game).collect();
        let records = self.store.read(&games, false).await?;
        let mut extracted = Vec::with_capacity(jobs.len());
        for (job, mut records) in jobs.iter().zip(records) {
            let result = match records.part.take() {
                Some(part) => Extracted::Planned(part),
                None => match self.compute_rows(&job.game, records).await? {
                    Ok(rows) => Extracted::Rows(rows),
                    Err(reason) => Extracted::Invalid(reason),
                },
            };
            extracted.push((job.clone(), result));
        }
        Ok(extracted)
    }

    /// Computes the rows of a game, and reads the rest of its log if it is longer than a page.
    pub(super) async fn compute_rows(
        &self,
        game: &GameToken,
        records: GameRecords,
    ) -> Result<Result<Vec<Row>, InvalidGame>, RoundError> {
        if let Some(reason) = records.unreadable {
            return Ok(Err(InvalidGame::Unreadable(reason)));
        }
        let mut aggregator = match GameAggregator::new(game.as_str(), records.players) {
            Ok(aggregator) => aggregator,
            Err(reason) => return Ok(Err(reason)),
        };
        let (mut log, mut read) = (records.log, 0);
        loop {
            read += log.len();
            for entry in &log {
                if let Err(reason) = aggregator.add(entry) {
                    return Ok(Err(reason));
                }
            }
            if log.is_empty() || read >= records.log_length {
                return Ok(Ok(aggregator.into_rows()));
            }
            log = self.store.read_log(game, read).await?;
        }
    }
}

/// Games that are read in one round trip.
pub(super) const GAMES_PER_READ: usize = 32;
