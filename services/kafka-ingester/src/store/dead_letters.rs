//! The stream of dead letters.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use fred::clients::Pool;
use fred::interfaces::{KeysInterface, StreamsInterface};
use fred::types::scripts::Script;
use fred::types::{Expiration, SetOptions, Value};
use redis_core::Key;

use super::failure::StoreFailure;
use super::message_script::{id_set, message_script, script_args};
use crate::batch::Batch;
use crate::message::Policy;

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
    /// Redis refuses it, and will refuse it again; the reason.
    Refused(String),
}

/// The dead letters. Clones share the connections.
#[derive(Clone)]
pub struct DeadLetterStore {
    pool: Pool,
    replay: Script,
}

impl DeadLetterStore {
    /// The dead letters in the Redis of `pool`.
    pub fn new(pool: Pool) -> Self {
        let replay = message_script(include_str!("replay_dead_letter.lua"));
        Self { pool, replay }
    }

    /// Up to `count` dead letters after the entry `after`; `0` begins with the first.
    ///
    /// # Errors
    /// If Redis does not answer, or refuses it.
    pub async fn list(&self, after: &str, count: u64) -> Result<Vec<DeadLetter>, StoreFailure> {
        let key = Key::DeadLetters.to_string();
        let entries = self.pool.xrange(&key, format!("({after}"), "+", Some(count)).await;
        let entries: Vec<(String, HashMap<Bytes, Bytes>)> =
            entries.map_err(|error| StoreFailure::new(&key, &error))?;
        Ok(entries.into_iter().map(|(id, fields)| from_entry(id, fields)).collect())
    }

    /// How many there are.
    ///
    /// # Errors
    /// If Redis does not answer, or refuses it.
    pub async fn count(&self) -> Result<u64, StoreFailure> {
        let key = Key::DeadLetters.to_string();
        self.pool.xlen(&key).await.map_err(|error| StoreFailure::new(&key, &error))
    }

    /// The id of the last one, if there is one.
    ///
    /// # Errors
    /// If Redis does not answer, or refuses it.
    pub async fn last_id(&self) -> Result<Option<String>, StoreFailure> {
        let key = Key::DeadLetters.to_string();
        let entries = self.pool.xrevrange(&key, "+", "-", Some(1)).await;
        let entries: Vec<(String, HashMap<Bytes, Bytes>)> =
            entries.map_err(|error| StoreFailure::new(&key, &error))?;
        Ok(entries.into_iter().next().map(|(id, _)| id))
    }

    /// The dead letter with this id, if it is there.
    ///
    /// # Errors
    /// If Redis does not answer, or refuses it.
    pub async fn get(&self, id: &str) -> Result<Option<DeadLetter>, StoreFailure> {
        let key = Key::DeadLetters.to_string();
        let entries = self.pool.xrange(&key, id, id, None).await;
        let entries: Vec<(String, HashMap<Bytes, Bytes>)> =
            entries.map_err(|error| StoreFailure::new(&key, &error))?;
        Ok(entries.into_iter().next().map(|(id, fields)| from_entry(id, fields)))
    }

    /// Applies the one message of `batch`, which `policy` decoded, and removes its dead letter, or does neither.
    ///
    /// # Errors
    /// If Redis does not answer, or refuses what the message is not to blame for. It may be applied, but is
    /// not removed then; replay it again.
    pub async fn replay(
        &self,
        id: &str,
        policy: &Policy,
        batch: &Batch,
    ) -> Result<ReplayOutcome, StoreFailure> {
        let key = Key::DeadLetters.to_string();
        let keys = vec![id_set(policy), key.clone()];
        let batch = Value::Bytes(Bytes::from(batch.encode_from(0)));
        let args = script_args(policy, [Value::from(id.to_owned()), batch]);
        let reply = self.replay.evalsha_with_reload(self.pool.next(), keys, args).await;
        let reply: Vec<String> = reply.map_err(|error| StoreFailure::new(&key, &error))?;
        let texts: Vec<&str> = reply.iter().map(String::as_str).collect();
        match texts.as_slice() {
            ["applied"] => Ok(ReplayOutcome::Applied),
            ["missing"] => Ok(ReplayOutcome::Missing),
            ["refused", error, key] => {
                StoreFailure::of_message((*error).to_owned(), key).map(ReplayOutcome::Refused)
            }
            _ => Err(StoreFailure::unexpected_reply(&key)),
        }
    }

    /// Removes dead letters. With [`NO_ENTRY`] it removes nothing, and shows whether Redis would.
    ///
    /// # Errors
    /// If Redis does not answer, or refuses it.
    pub async fn remove(&self, ids: Vec<String>) -> Result<(), StoreFailure> {
        let key = Key::DeadLetters.to_string();
        self.pool.xdel(&key, ids).await.map_err(|error| StoreFailure::new(&key, &error))
    }

    /// Takes or renews the lease of forwarding dead letters. True if `instance` holds it, for `lease` from
    /// now.
    ///
    /// # Errors
    /// If Redis does not answer, or refuses it.
    pub async fn acquire_forwarder_lease(
        &self,
        instance: &str,
        lease: Duration,
    ) -> Result<bool, StoreFailure> {
        let key = Key::DeadLettersForwarder.to_string();
        let fail = |error| StoreFailure::new(&key, &error);
        let expiration = || Some(Expiration::PX(i64::try_from(lease.as_millis()).unwrap_or(i64::MAX)));
        let taken: Option<Bytes> =
            self.pool.set(&key, instance, expiration(), Some(SetOptions::NX), false).await.map_err(fail)?;
        if taken.is_some() {
            return Ok(true);
        }
        let holder: Option<Bytes> = self.pool.get(&key).await.map_err(fail)?;
        let is_holder = holder.as_deref() == Some(instance.as_bytes());
        // A lease without an end was not taken by a forwarder.
        if is_holder || self.pool.pttl::<i64, _>(&key).await.map_err(fail)? == NO_TTL {
            let options = Some(SetOptions::XX);
            self.pool.set::<(), _, _>(&key, instance, expiration(), options, false).await.map_err(fail)?;
            return Ok(true);
        }
        Ok(false)
    }
}

/// What PTTL replies for a key that lives for ever.
const NO_TTL: i64 = -1;
/// The id of no entry.
pub const NO_ENTRY: &str = "0-0";

fn from_entry(id: String, mut fields: HashMap<Bytes, Bytes>) -> DeadLetter {
    let mut take = |name: &str| fields.remove(name.as_bytes()).unwrap_or_default();
    let (key, value) = (take("key"), take("value"));
    let mut take_text = |name: &str| String::from_utf8_lossy(&take(name)).into_owned();
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
