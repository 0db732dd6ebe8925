//! Reads the records of games and computes their rows.

use bytes::Bytes;
use redis_core::id::GameToken;

use super::error::RoundError;
use super::pipeline::Pipeline;
use crate::dataset::{BadSession, Session};
use crate::part::Part;
use crate::store::{Job, SessionRecords};
use crate::table::Rows;

/// What was found for a job.
pub(super) enum Extracted {
    /// The game was planned for this part before. Its records were not read.
    Planned(Part),
    /// The rows of the game in each table.
    Rows(Vec<Rows>),
    /// Why the game has no rows.
    Invalid(BadSession),
    /// A shard with records of the game does not answer. The job is taken up again after its lease.
    Away,
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
                None if records.is_away => Extracted::Away,
                None => match self.compute_rows(&job.game, records).await? {
                    Ok(rows) => Extracted::Rows(rows),
                    Err(reason) => Extracted::Invalid(reason),
                },
            };
            extracted.push((job.clone(), result));
        }
        Ok(extracted)
    }

    /// Computes the rows of a game, and reads the rest of its entries if there are more than a page.
    pub(super) async fn compute_rows(
        &self,
        game: &GameToken,
        records: SessionRecords,
    ) -> Result<Result<Vec<Rows>, BadSession>, RoundError> {
        if let Some(reason) = records.unreadable {
            return Ok(Err(BadSession(reason)));
        }
        let dataset = self.store.dataset();
        let mut session = match Session::new(dataset, game.as_str(), records.fields, records.members) {
            Ok(session) => session,
            Err(reason) => return Ok(Err(reason)),
        };
        let (mut entries, mut read) = (records.entries, 0);
        loop {
            read += entries.len();
            if let Err(reason) = session.add(entries.iter().map(Bytes::as_ref)) {
                return Ok(Err(reason));
            }
            if entries.is_empty() || read >= records.entry_count {
                return Ok(session.into_rows());
            }
            entries = self.store.read_entries(game, read).await?;
        }
    }
}

/// Games that are read in one round trip.
pub(super) const GAMES_PER_READ: usize = 32;
