//! The queue of jobs: a stream that the workers read as one consumer group.

use std::time::Duration;

use fred::clients::Client;
use fred::interfaces::StreamsInterface;
use fred::types::Value;
use redis_core::{ErrorClass, Key, RedisError};

use super::client::{GROUP, Store, lossy_text};
use super::job::{InvalidJob, Job, Jobs};

impl Store {
    /// Creates the consumer group. False if that is not possible, most often because it exists.
    pub async fn create_group(&self) -> Result<bool, RedisError> {
        let key = &self.jobs_key();
        let create = |client: Client| async move { client.xgroup_create(key, GROUP, "0", true).await };
        let created: Result<Value, RedisError> = self.on_own(create).await;
        match created {
            Err(error) if ErrorClass::of(&error).is_invalid() => Ok(false),
            created => created.map(|_| true),
        }
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
        let (key, entry_ids) = (&self.jobs_key(), &entry_ids);
        let delete = |client: Client| async move { client.xdel::<(), _, _>(key, entry_ids.clone()).await };
        self.on_own(delete).await?;
        self.on_own(|client| async move { client.xack(key, GROUP, entry_ids.clone()).await }).await
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
