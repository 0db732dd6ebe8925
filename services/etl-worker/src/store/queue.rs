//! The queue of jobs: a stream that the workers read as one consumer group.

use std::time::Duration;

use fred::interfaces::StreamsInterface;
use fred::types::Value;
use redis_core::id::GameToken;
use redis_core::{ErrorClass, Key, RedisError};

use super::client::{GROUP, Store, lossy_text};
use super::job::{Enqueued, InvalidJob, Job, Jobs};
use super::reconcile::Settled;
use super::sessions::optional_key;
use crate::dataset::KeyPattern;

impl Store {
    /// Creates the consumer group. False if that is not possible, most often because it exists.
    pub async fn create_group(&self) -> Result<bool, RedisError> {
        let created: Result<Value, RedisError> =
            self.pool.xgroup_create(self.jobs_key(), GROUP, "0", true).await;
        match created {
            Err(error) if ErrorClass::of(&error).is_invalid() => Ok(false),
            created => created.map(|_| true),
        }
    }

    /// Creates a job for each of the games that has none. The results are in the order of the games.
    pub async fn enqueue(&self, games: &[GameToken]) -> Result<Vec<Enqueued>, RedisError> {
        let args = [self.records().len().to_string()].into_iter().chain(self.session_args(games)).collect();
        let results: Vec<String> =
            self.run_confirmed(&self.scripts.enqueue, self.session_keys(games), args).await?;
        let parse = |result: String| match result.as_str() {
            "queued" => Enqueued::Queued,
            "known" => Enqueued::Known,
            "unreadable" => Enqueued::Unreadable,
            _ => Enqueued::Unknown,
        };
        Ok(results.into_iter().map(parse).collect())
    }

    /// Those of the games that have no job, were not written, and are no dead letters.
    pub async fn without_job(&self, games: Vec<GameToken>) -> Result<Vec<GameToken>, RedisError> {
        if games.is_empty() {
            return Ok(games);
        }
        let states = games.iter().map(|game| self.key(Key::EtlGame(game))).collect();
        let places: Vec<usize> = self.run(&self.scripts.without_job, states, Vec::new()).await?;
        Ok(places.into_iter().filter_map(|place| games.get(place).cloned()).collect())
    }

    /// Creates jobs for those of the games that ended and have not changed for `settle`.
    pub async fn enqueue_settled(
        &self,
        games: &[GameToken],
        settle: Duration,
    ) -> Result<Settled, RedisError> {
        let Some(lost) = &self.dataset.lost else { return Ok(Settled::default()) };
        let ends = |game: &GameToken| {
            let key = lost.key.of(game.as_str());
            let entries = optional_key(&self.dataset.keys.entries, game, &key);
            [key, entries]
        };
        let mut keys = self.session_keys(games);
        keys.extend(games.iter().flat_map(ends));
        let (settle_ms, count) = (settle.as_millis().to_string(), games.len().to_string());
        let options = [self.records().len().to_string(), settle_ms, lost.is.clone(), count];
        let args = options.into_iter().chain(self.session_args(games)).collect();
        let (queued, unreadable): (u64, Vec<String>) =
            self.run(&self.scripts.enqueue_settled, keys, args).await?;
        let unreadable = unreadable.into_iter().filter_map(|game| GameToken::parse(game).ok()).collect();
        Ok(Settled { queued, unreadable })
    }

    /// Takes over jobs that no worker has renewed for a lease.
    pub async fn claim(&self, lease: Duration, count: usize) -> Result<Jobs, RedisError> {
        let limits = [lease.as_millis().to_string(), count.to_string()];
        let args = self.group_and_consumer().chain(limits).collect();
        let claimed: Vec<Value> = self.run(&self.scripts.claim, vec![self.jobs_key()], args).await?;
        let entries = claimed.chunks_exact(2).map(|pair| (lossy_text(&pair[0]), Some(pair[1].clone())));
        Ok(Jobs::parse(entries))
    }

    /// Removes entries of the stream that are not jobs.
    pub async fn discard(&self, invalid: &[InvalidJob]) -> Result<(), RedisError> {
        let entry_ids: Vec<&str> = invalid.iter().map(|job| job.entry_id.as_str()).collect();
        self.pool.xdel::<(), _, _>(self.jobs_key(), entry_ids.clone()).await?;
        self.pool.xack(self.jobs_key(), GROUP, entry_ids).await
    }

    /// Renews the leases of these jobs. True for each job that this worker still owns.
    pub async fn renew(&self, entry_ids: &[String]) -> Result<Vec<bool>, RedisError> {
        if entry_ids.is_empty() {
            return Ok(Vec::new());
        }
        let renewed = self.run(&self.scripts.renew, vec![self.jobs_key()], self.renewal(entry_ids)).await;
        renewed.map(are_owned)
    }

    /// As [`renew`](Self::renew). When it returns, no failover can forget the plans of these jobs: their files may appear.
    pub async fn renew_for_publishing(&self, entry_ids: &[String]) -> Result<Vec<bool>, RedisError> {
        let renewed =
            self.run_confirmed(&self.scripts.renew, vec![self.jobs_key()], self.renewal(entry_ids)).await;
        renewed.map(are_owned)
    }

    /// The patterns of all keys that a session has, without the hashes of its members.
    fn records(&self) -> Vec<&KeyPattern> {
        let (keys, cleanup) = (&self.dataset.keys, &self.dataset.cleanup);
        let read = [&keys.members, &keys.session, &keys.entries, &cleanup.count].into_iter().flatten();
        let lost = self.dataset.lost.iter().map(|lost| &lost.key);
        let removed = cleanup.expire.iter().chain(&cleanup.delete);
        let mut records = Vec::new();
        for pattern in read.chain(lost).chain(removed) {
            if !records.contains(&pattern) && Some(pattern) != keys.member.as_ref() {
                records.push(pattern);
            }
        }
        records
    }

    /// The keys of the scripts that use `records.lua`: the jobs, then those of each session.
    fn session_keys(&self, games: &[GameToken]) -> Vec<String> {
        let records = self.records();
        let of_session = |game: &GameToken| {
            let state = self.key(Key::EtlGame(game));
            let members = optional_key(&self.dataset.keys.members, game, &state);
            let mut keys = vec![state, self.key(Key::EtlSettling(game)), members];
            keys.extend(records.iter().map(|pattern| pattern.of(game.as_str())));
            keys
        };
        [self.jobs_key()].into_iter().chain(games.iter().flat_map(of_session)).collect()
    }

    /// Their last arguments: the token of each session, and what is around the names of its members.
    fn session_args(&self, games: &[GameToken]) -> impl Iterator<Item = String> {
        games.iter().flat_map(|game| {
            let [before, after] = self.around_member(game);
            [game.to_string(), before, after]
        })
    }

    fn renewal(&self, entry_ids: &[String]) -> Vec<String> {
        self.group_and_consumer().chain(entry_ids.iter().cloned()).collect()
    }

    /// Counts a failure of a job; failure number [`MAX_TRIES`] makes it a dead letter.
    pub async fn fail(&self, job: &Job, reason: &str, when: &str) -> Result<Failure, RedisError> {
        let keys = [Key::EtlJobs, Key::EtlDead, Key::EtlGame(&job.game)].map(|key| self.key(key));
        let failure = [job.entry_id.as_str(), job.game.as_str(), reason].map(str::to_owned);
        let args = self
            .group_and_consumer()
            .chain(failure)
            .chain([MAX_TRIES.to_string(), when.to_owned()])
            .collect();
        let failed: (u32, u8) = self.run(&self.scripts.fail, keys.to_vec(), args).await?;
        Ok(match failed {
            (0, _) => Failure::Lost,
            (tries, 0) => Failure::Counted(tries),
            (tries, _) => Failure::Dead(tries),
        })
    }
}

/// What came of a failure of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The job is another worker's.
    Lost,
    /// It is failure number so many. The job is tried again after its lease.
    Counted(u32),
    /// It was the last of so many. The job is a dead letter.
    Dead(u32),
}

fn are_owned(renewed: Vec<u8>) -> Vec<bool> {
    renewed.into_iter().map(|renewed| renewed == 1).collect()
}

/// Failures after which a job becomes a dead letter.
pub const MAX_TRIES: u32 = 5;
