//! The stream of dead letters.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use fred::clients::Pool;
use fred::interfaces::{KeysInterface, StreamsInterface};
use fred::types::scripts::Script;
use fred::types::{Expiration, SetOptions, Value};
use redis_core::{Key, RedisError};

use super::script_options::{ScriptOptions, message_script};
use crate::batch::Batch;
use crate::config::WriteConfig;

/// A message that could not be applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The id of the stream's entry.
    pub id: String,
    /// The topic from which the message was read.
    pub topic: String,
    /// Its partition.
    pub partition: String,
    /// Its offset.
    pub offset: String,
    /// Its Kafka key, empty for none.
    pub key: Bytes,
    /// Why it could not be applied.
    pub reason: String,
    /// Its whole value.
    pub value: Bytes,
}

/// What became of a dead letter that was replayed.
#[derive(Debug, PartialEq, Eq)]
pub enum ReplayOutcome {
    /// It was applied and removed.
    Applied,
    /// It was not in the stream any more.
    Missing,
    /// It still cannot be applied; the reason.
    Refused(String),
}

/// The dead letters. Clones share the connections.
#[derive(Clone)]
pub struct DeadLetterStore {
    pool: Pool,
    options: ScriptOptions,
    replay: Script,
}

impl DeadLetterStore {
    /// The dead letters in the Redis of `pool`.
    pub fn new(pool: Pool, write: &WriteConfig) -> Self {
        let replay = message_script(include_str!("replay_dead_letter.lua"));
        Self { pool, options: ScriptOptions::new(write), replay }
    }

    /// Up to `count` dead letters after the entry `after`; `0` begins with the first.
    ///
    /// # Errors
    /// If Redis does not answer.
    pub async fn list(&self, after: &str, count: u64) -> Result<Vec<DeadLetter>, RedisError> {
        let entries: Vec<(String, HashMap<String, Bytes>)> =
            self.pool.xrange(Key::DeadLetters.to_string(), format!("({after}"), "+", Some(count)).await?;
        Ok(entries.into_iter().map(|(id, fields)| from_entry(id, fields)).collect())
    }

    /// Applies the one message of `batch` and removes its dead letter, or does neither.
    ///
    /// # Errors
    /// If Redis does not answer.
    pub async fn replay(&self, id: &str, batch: &Batch) -> Result<ReplayOutcome, RedisError> {
        let keys = vec![self.options.id_set(), Key::DeadLetters.to_string()];
        let batch = Value::Bytes(Bytes::from(batch.encode_from(0)));
        let args = self.options.followed_by([Value::from(id.to_owned()), batch]);
        let reply: Value = self.replay.evalsha_with_reload(self.pool.next(), keys, args).await?;
        Ok(match reply.as_string().unwrap_or_default().as_str() {
            "applied" => ReplayOutcome::Applied,
            "missing" => ReplayOutcome::Missing,
            reason => ReplayOutcome::Refused(reason.to_owned()),
        })
    }

    /// Removes dead letters.
    ///
    /// # Errors
    /// If Redis does not answer.
    pub async fn remove(&self, ids: Vec<String>) -> Result<(), RedisError> {
        self.pool.xdel(Key::DeadLetters.to_string(), ids).await
    }

    /// Takes or renews the lease of forwarding dead letters. True if `instance` holds it, for `lease` from
    /// now.
    ///
    /// # Errors
    /// If Redis does not answer.
    pub async fn acquire_forwarder_lease(&self, instance: &str, lease: Duration) -> Result<bool, RedisError> {
        let key = Key::DeadLettersForwarder.to_string();
        let expiration = || Some(Expiration::PX(i64::try_from(lease.as_millis()).unwrap_or(i64::MAX)));
        let taken: Option<String> =
            self.pool.set(&key, instance, expiration(), Some(SetOptions::NX), false).await?;
        if taken.is_some() {
            return Ok(true);
        }
        let holder: Option<String> = self.pool.get(&key).await?;
        let is_holder = holder.as_deref() == Some(instance);
        if is_holder {
            let _: () = self.pool.set(&key, instance, expiration(), Some(SetOptions::XX), false).await?;
        }
        Ok(is_holder)
    }
}

fn from_entry(id: String, mut fields: HashMap<String, Bytes>) -> DeadLetter {
    let mut take = |name| fields.remove(name).unwrap_or_default();
    let (key, value) = (take("key"), take("value"));
    let mut take_text = |name| String::from_utf8_lossy(&take(name)).into_owned();
    DeadLetter {
        id,
        topic: take_text("topic"),
        partition: take_text("partition"),
        offset: take_text("offset"),
        key,
        reason: take_text("reason"),
        value,
    }
}
