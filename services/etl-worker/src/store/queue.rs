//! The queue of jobs: a stream that the workers read as one consumer group.

use std::time::Duration;

use fred::interfaces::StreamsInterface;
use fred::types::Value;
use redis_core::id::GameToken;
use redis_core::{Key, RedisError};

use super::client::{GROUP, Store, jobs_key, record_suffixes};
use super::job::{Enqueued, Job};

impl Store {
    /// Creates the consumer group if it does not exist.
    pub async fn create_group(&self) -> Result<(), RedisError> {
        let created: Result<Value, RedisError> = self.pool.xgroup_create(jobs_key(), GROUP, "0", true).await;
        match created {
            Err(error) if error.details().starts_with("BUSYGROUP") => Ok(()),
            created => created.map(drop),
        }
    }

    /// Creates a job for each of the games that has none. The results are in the order of the games.
    pub async fn enqueue(&self, games: &[GameToken]) -> Result<Vec<Enqueued>, RedisError> {
        let args = record_suffixes().chain(tokens(games)).collect();
        let results: Vec<String> = self.run(&self.scripts.enqueue, enqueue_keys(games), args).await?;
        let parse = |result: String| match result.as_str() {
            "queued" => Enqueued::Queued,
            "known" => Enqueued::Known,
            _ => Enqueued::Unknown,
        };
        Ok(results.into_iter().map(parse).collect())
    }

    /// Creates jobs for those of the games that are completed and have not changed for `settle`. Returns how many.
    pub async fn enqueue_settled(&self, games: &[GameToken], settle: Duration) -> Result<u64, RedisError> {
        let settle_ms = settle.as_millis().to_string();
        let args = record_suffixes().chain([settle_ms]).chain(tokens(games)).collect();
        self.run(&self.scripts.enqueue_settled, enqueue_keys(games), args).await
    }

    /// Takes over jobs that no worker has renewed for a lease.
    pub async fn claim(&self, lease: Duration, count: usize) -> Result<Vec<Job>, RedisError> {
        let limits = [lease.as_millis().to_string(), count.to_string()];
        let args = self.group_and_consumer().chain(limits).collect();
        let claimed: Vec<String> = self.run(&self.scripts.claim, vec![jobs_key()], args).await?;
        Ok(claimed.chunks_exact(2).filter_map(|pair| Job::new(pair[0].clone(), pair[1].clone())).collect())
    }

    /// Renews the leases of these jobs. True for each job that this worker still owns.
    pub async fn renew(&self, entry_ids: &[String]) -> Result<Vec<bool>, RedisError> {
        if entry_ids.is_empty() {
            return Ok(Vec::new());
        }
        let args = self.group_and_consumer().chain(entry_ids.iter().cloned()).collect();
        let renewed: Vec<u8> = self.run(&self.scripts.renew, vec![jobs_key()], args).await?;
        Ok(renewed.into_iter().map(|renewed| renewed == 1).collect())
    }

    /// Counts a failure of a job; failure number [`MAX_TRIES`] makes it a dead letter. Returns the failures so far, or 0
    /// if this worker does not own the job.
    pub async fn fail(&self, job: &Job, reason: &str, when: &str) -> Result<u32, RedisError> {
        let keys = [Key::EtlJobs, Key::EtlDead, Key::EtlGame(&job.game)].map(|key| key.to_string());
        let failure = [job.entry_id.as_str(), job.game.as_str(), reason].map(str::to_owned);
        let args = self
            .group_and_consumer()
            .chain(failure)
            .chain([MAX_TRIES.to_string(), when.to_owned()])
            .collect();
        self.run(&self.scripts.fail, keys.to_vec(), args).await
    }
}

/// The stream of jobs, then per game: its state, its players, its settling mark.
fn enqueue_keys(games: &[GameToken]) -> Vec<String> {
    let keys = games.iter().flat_map(|game| [Key::EtlGame(game), Key::Game(game), Key::EtlSettling(game)]);
    [Key::EtlJobs].into_iter().chain(keys).map(|key| key.to_string()).collect()
}

fn tokens(games: &[GameToken]) -> impl Iterator<Item = String> {
    games.iter().map(ToString::to_string)
}

/// Failures after which a job becomes a dead letter.
pub const MAX_TRIES: u32 = 5;
