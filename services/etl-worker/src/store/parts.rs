//! Parts: which games go to which file, and committing them.

use std::collections::BTreeSet;
use std::time::Duration;

use fred::clients::Client;
use fred::interfaces::{HashesInterface, SetsInterface};
use fred::types::Value;
use jiff::Timestamp;
use redis_core::id::GameToken;
use redis_core::{Key, RedisError};

use super::client::{Store, lossy_text};
use super::job::Job;
use super::sessions::optional_key;
use crate::dataset::{Cleanup as RemovedKeys, KeyPattern, Keys};
use crate::part::Part;

/// What happens to a game's records after the commit.
#[derive(Debug, Clone, Copy)]
pub struct Cleanup {
    /// Whether the records are removed.
    pub enabled: bool,
    /// Seconds until they expire.
    pub expiry_s: u32,
    /// On a Cluster, how long after the commit their removal begins. A failover that forgets the commit does not find them
    /// half gone then.
    pub delay: Duration,
}

impl Cleanup {
    /// Until then a late message changes nothing.
    pub(super) fn state_expiry_s(self) -> u32 {
        self.expiry_s + STATE_EXPIRY_S
    }
}

/// What came of the plan to write a game to a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Planned {
    /// The game goes to this part.
    Here,
    /// The job is another worker's, or the game goes to another part.
    Lost,
    /// The plan cannot be kept, because a key of the game or of the part has another type.
    Refused(String),
}

impl Store {
    /// Decides which part each job's game goes to.
    pub async fn plan(&self, plan: &[(&Job, &Part)]) -> Result<Vec<Planned>, RedisError> {
        let game_keys =
            plan.iter().flat_map(|(job, part)| [Key::EtlGame(&job.game), Key::EtlPart(part.as_str())]);
        let keys = [Key::EtlJobs, Key::EtlOpenParts].into_iter().chain(game_keys);
        let game_args = plan.iter().flat_map(|(job, part)| job_args(job, part));
        let args = self.group_and_consumer().chain(game_args).collect();
        let planned: Vec<String> =
            self.run(&self.scripts.plan, keys.map(|key| self.key(key)).collect(), args).await?;
        let parse = |planned: String| match planned.as_str() {
            "" => Planned::Here,
            "lost" => Planned::Lost,
            _ => Planned::Refused(planned),
        };
        Ok(planned.into_iter().map(parse).collect())
    }

    /// The games of a part that are not committed.
    pub async fn uncommitted_games(&self, part: &Part) -> Result<Vec<GameToken>, RedisError> {
        let key = &self.key(Key::EtlPart(part.as_str()));
        let games: Vec<Value> = self.on_own(|client| async move { client.hkeys(key).await }).await?;
        Ok(games.iter().filter_map(|game| GameToken::parse(lossy_text(game)).ok()).collect())
    }

    /// The file names of the parts with a game that is not committed. No failover will add one that was committed before.
    pub async fn open_parts(&self) -> Result<BTreeSet<String>, RedisError> {
        let (key, wait_replicas) = (&self.key(Key::EtlOpenParts), self.wait_replicas);
        let read = |client: Client| async move { wait_replicas.confirm(&client, client.smembers(key)).await };
        let parts: Vec<Value> = self.on_own(read).await?;
        let name = |part: &Value| lossy_text(part).rsplit('/').next().unwrap_or_default().to_owned();
        Ok(parts.iter().map(name).collect())
    }

    /// Marks games as done whose parts are published, and cleans their records up, on a Cluster [later](Self::clean_up). True
    /// where this worker still owned the job.
    pub async fn commit(&self, done: &[(&Job, &Part)], cleanup: Cleanup) -> Result<Vec<bool>, RedisError> {
        let (keys, removed) = if self.is_on_cluster() {
            (&Keys::default(), &RemovedKeys::default())
        } else {
            (&self.dataset.keys, &self.dataset.cleanup)
        };
        let expire: Vec<&KeyPattern> =
            removed.expire.iter().filter(|pattern| Some(*pattern) != keys.member.as_ref()).collect();
        let (delete, lists) = (&removed.delete, &removed.lists);
        let hashes_expire = expire.len() < removed.expire.len();
        let (index, mode, time) = match (self.is_on_cluster(), &self.dataset.lost) {
            (true, _) => (self.key(Key::EtlCleaning), "later", cleanup.delay.as_millis().to_string()),
            (false, Some(lost)) => (lost.index.clone(), "1", cleanup.expiry_s.to_string()),
            (false, None) => (self.jobs_key(), "1", cleanup.expiry_s.to_string()),
        };
        let mut all_keys = vec![self.jobs_key(), self.key(Key::EtlOpenParts), index, self.key(Key::EtlDays)];
        for (job, part) in done {
            let state = self.key(Key::EtlGame(&job.game));
            let [members, count] =
                [&keys.members, &removed.count].map(|key| optional_key(key, &job.game, &state));
            all_keys.extend([state, self.key(Key::EtlPart(part.as_str())), members, count]);
            all_keys
                .extend(expire.iter().copied().chain(delete).map(|pattern| pattern.of(job.game.as_str())));
        }
        let mut args = vec![expire.len().to_string(), delete.len().to_string(), lists.len().to_string()];
        args.push(u8::from(hashes_expire).to_string());
        args.extend(self.group_and_consumer());
        let mode = if cleanup.enabled { mode } else { "0" };
        args.extend([mode.to_owned(), time, cleanup.state_expiry_s().to_string()]);
        args.push(Timestamp::now().strftime("%F").to_string());
        for list in lists {
            let (before, after) = list.around_count().unwrap_or((list.as_str(), ""));
            args.extend([
                before.to_owned(),
                u8::from(list.around_count().is_some()).to_string(),
                after.to_owned(),
            ]);
        }
        for (job, part) in done {
            args.extend(job_args(job, part).into_iter().chain(self.around_member(&job.game)));
        }
        let committed: Vec<u8> = self.run_confirmed(&self.scripts.commit, all_keys, args).await?;
        Ok(committed.into_iter().map(|committed| committed == 1).collect())
    }
}

fn job_args(job: &Job, part: &Part) -> [String; 3] {
    [job.game.to_string(), job.entry_id.clone(), part.to_string()]
}

/// How much longer than its records a game's state is kept, in seconds.
const STATE_EXPIRY_S: u32 = 86_400;
