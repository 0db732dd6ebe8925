//! Jobs: a stream whose group is the workers.

use std::time::Duration;

use fred::clients::Client;
use fred::error::{Error, ErrorKind};
use fred::interfaces::{ClientLike, StreamsInterface};
use fred::types::Value;
use jiff::Timestamp;
use redis_core::Key;
use redis_core::id::GameToken;
use tokio::time::timeout;

use super::{Entries, GROUP, Store, jobs};

/// A job: a game that ended, and the entry of the stream that says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// The entry's id, which begins with when it was made.
    pub entry: String,
    /// The game.
    pub game: GameToken,
}

impl Job {
    fn new(entry: String, game: String) -> Option<Self> {
        Some(Self { entry, game: GameToken::parse(game).ok()? })
    }

    /// When the job was made, by Redis's clock.
    pub fn made(&self) -> Timestamp {
        let ms = self.entry.split('-').next().and_then(|ms| ms.parse().ok()).unwrap_or_default();
        Timestamp::from_millisecond(ms).unwrap_or_default()
    }
}

/// What became of the message that a game ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enqueued {
    /// A job was made.
    Queued,
    /// The game has a job, or was written, or is a dead letter.
    Known,
    /// Nothing in Redis is of that game.
    Unknown,
}

impl Store {
    /// Makes the stream's group if it is not there.
    pub async fn create_group(&self) -> Result<(), Error> {
        let made: Result<Value, Error> = self.pool.xgroup_create(jobs(), GROUP, "0", true).await;
        match made {
            Err(error) if error.details().starts_with("BUSYGROUP") => Ok(()),
            made => made.map(drop),
        }
    }

    /// Makes jobs of games that ended, where they have none. The answers are in the games' order.
    pub async fn enqueue(&self, games: &[GameToken]) -> Result<Vec<Enqueued>, Error> {
        let answers: Vec<String> = self.run(&self.scripts.enqueue, marked(games), texts(games)).await?;
        let read = |answer: String| match answer.as_str() {
            "queued" => Enqueued::Queued,
            "known" => Enqueued::Known,
            _ => Enqueued::Unknown,
        };
        Ok(answers.into_iter().map(read).collect())
    }

    /// A page of all games and how to get the next; games whose token cannot be used are counted.
    pub async fn scan(&self, cursor: String) -> Result<(String, Vec<GameToken>, usize), Error> {
        let command = fred::cmd!("ZSCAN");
        let args =
            vec![Key::GamesParticipants.to_string(), cursor, "COUNT".to_owned(), SCAN_PAGE.to_string()];
        let (cursor, pairs): (String, Vec<Value>) = self.pool.custom(command, args).await?;
        let tokens =
            pairs.into_iter().step_by(2).map(|token| GameToken::parse(token.as_string().unwrap_or_default()));
        let (games, bad): (Vec<_>, Vec<_>) = tokens.partition(Result::is_ok);
        Ok((cursor, games.into_iter().flatten().collect(), bad.len()))
    }

    /// Makes jobs of those of the games that are completed and settled; gives their number.
    pub async fn settle(&self, games: &[GameToken], settle: Duration) -> Result<u64, Error> {
        let args = [settle.as_millis().to_string()].into_iter().chain(texts(games)).collect();
        self.run(&self.scripts.settle, marked(games), args).await
    }

    /// Waits for new jobs on a connection of its own.
    pub async fn wait_for_jobs(
        &self,
        blocking: &Client,
        count: usize,
        wait: Duration,
    ) -> Result<Vec<Job>, Error> {
        let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1);
        let count = u64::try_from(count).ok();
        let read =
            blocking.xreadgroup(GROUP, self.consumer.as_ref(), count, Some(wait_ms), false, jobs(), ">");
        let read: Result<Result<Vec<(String, Entries)>, Error>, _> =
            timeout(wait + ANSWER_TIMEOUT, read).await;
        let Ok(read) = read else {
            // The connection is deaf; entries given to it are taken over after the lease.
            blocking.force_reconnection().await?;
            return Err(Error::new(ErrorKind::Timeout, "no answer on the blocking connection"));
        };
        let entries = read?.into_iter().flat_map(|(_, entries)| entries);
        Ok(entries.filter_map(|(entry, fields)| Job::new(entry, fields.into_iter().nth(1)?)).collect())
    }

    /// Takes over jobs that nobody has renewed for a lease.
    pub async fn claim(&self, lease: Duration, count: usize) -> Result<Vec<Job>, Error> {
        let args = vec![
            GROUP.to_owned(),
            self.consumer.to_string(),
            lease.as_millis().to_string(),
            count.to_string(),
        ];
        let claimed: Vec<String> = self.run(&self.scripts.claim, vec![jobs()], args).await?;
        Ok(claimed.chunks_exact(2).filter_map(|pair| Job::new(pair[0].clone(), pair[1].clone())).collect())
    }

    /// Renews the lease of these jobs; true where a job is still ours.
    pub async fn renew(&self, entries: &[String]) -> Result<Vec<bool>, Error> {
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        let args = self.named().chain(entries.iter().cloned()).collect();
        let held: Vec<u8> = self.run(&self.scripts.renew, vec![jobs()], args).await?;
        Ok(held.into_iter().map(|held| held == 1).collect())
    }

    /// Counts a failure of a job; gives the failures so far. The last makes it a dead letter.
    pub async fn fail(&self, job: &Job, reason: &str, when: &str) -> Result<u32, Error> {
        let keys = [Key::EtlJobs, Key::EtlDead, Key::EtlGame(&job.game)].map(|key| key.to_string());
        let texts = [job.entry.as_str(), job.game.as_str(), reason].map(str::to_owned);
        let args = self.named().chain(texts).chain([MAX_TRIES.to_string(), when.to_owned()]).collect();
        self.run(&self.scripts.fail, keys.to_vec(), args).await
    }
}

/// The stream of jobs, then per game: its state, its players, its settling mark.
fn marked(games: &[GameToken]) -> Vec<String> {
    let keys = games.iter().flat_map(|game| [Key::EtlGame(game), Key::Game(game), Key::EtlSettling(game)]);
    [Key::EtlJobs].into_iter().chain(keys).map(|key| key.to_string()).collect()
}

fn texts(games: &[GameToken]) -> Vec<String> {
    games.iter().map(ToString::to_string).collect()
}

/// Failures after which a job is a dead letter.
pub const MAX_TRIES: u32 = 5;
const SCAN_PAGE: usize = 200;
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_knows_when_it_was_made() {
        let made = |entry: &str| Job::new(entry.to_owned(), "g1".to_owned()).unwrap().made().to_string();
        assert_eq!(made("1664625600123-0"), "2022-10-01T12:00:00.123Z");
        assert_eq!(made("garbage"), "1970-01-01T00:00:00Z");
    }
}
