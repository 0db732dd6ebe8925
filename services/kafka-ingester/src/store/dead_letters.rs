//! The stream of dead letters.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use fred::clients::Client;
use fred::interfaces::{KeysInterface, StreamsInterface};
use fred::types::{Expiration, SetOptions};
use redis_core::{Key, Redis, RedisError};

use super::failure::StoreFailure;
use super::replay::{Replay, ReplayOutcome, Replayed};
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

/// The dead letters. Clones share the connections.
#[derive(Clone)]
pub struct DeadLetterStore {
    redis: Redis,
    key: String,
    lease_key: String,
    replay: Replay,
}

impl DeadLetterStore {
    /// The dead letters in this Redis.
    pub fn new(redis: Redis) -> Self {
        let name = |key: Key<'_>| key.name(redis.layout());
        let (key, lease_key) = (name(Key::DeadLetters), name(Key::DeadLettersForwarder));
        Self { replay: Replay::new(redis.clone()), redis, key, lease_key }
    }

    /// Up to `count` dead letters after the entry `after`; `0` begins with the first.
    ///
    /// # Errors
    /// If Redis does not answer, or refuses it.
    pub async fn list(&self, after: &str, count: u64) -> Result<Vec<DeadLetter>, StoreFailure> {
        let (key, after) = (&self.key, &format!("({after}"));
        self.read(|client| async move { client.xrange(key, after, "+", Some(count)).await }).await
    }

    /// How many there are.
    ///
    /// # Errors
    /// If Redis does not answer, or refuses it.
    pub async fn count(&self) -> Result<u64, StoreFailure> {
        let key = &self.key;
        self.run(key, |client: Client| async move { client.xlen(key).await }).await
    }

    /// The id of the last one, if there is one.
    ///
    /// # Errors
    /// If Redis does not answer, or refuses it.
    pub async fn last_id(&self) -> Result<Option<String>, StoreFailure> {
        let key = &self.key;
        let last = self.read(|client| async move { client.xrevrange(key, "+", "-", Some(1)).await }).await?;
        Ok(last.into_iter().next().map(|dead_letter| dead_letter.id))
    }

    /// The dead letter with this id, if it is there.
    ///
    /// # Errors
    /// If Redis does not answer, or refuses it.
    pub async fn get(&self, id: &str) -> Result<Option<DeadLetter>, StoreFailure> {
        let key = &self.key;
        let found = self.read(|client| async move { client.xrange(key, id, id, None).await }).await?;
        Ok(found.into_iter().next())
    }

    /// Applies the one message of `batch`, which `policy` decoded, and removes its dead letter. On one Redis it does both or
    /// neither; on a Cluster a crash between the two lets a later replay apply it again.
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
        self.replay.run(Replayed { dead_letters: &self.key, id, policy, batch }).await
    }

    /// Removes dead letters. With [`NO_ENTRY`] it removes nothing, and shows whether Redis would.
    ///
    /// # Errors
    /// If Redis does not answer, or refuses it.
    pub async fn remove(&self, ids: Vec<String>) -> Result<(), StoreFailure> {
        let (key, ids) = (&self.key, &ids);
        self.run(key, |client: Client| async move { client.xdel(key, ids.clone()).await }).await
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
        let key = &self.lease_key;
        let expiration = || Some(Expiration::PX(i64::try_from(lease.as_millis()).unwrap_or(i64::MAX)));
        let set = |options: SetOptions| {
            move |client: Client| {
                let options = Some(options.clone());
                async move { client.set::<Option<Bytes>, _, _>(key, instance, expiration(), options, false).await }
            }
        };
        if self.run(key, set(SetOptions::NX)).await?.is_some() {
            return Ok(true);
        }
        let holder = |client: Client| async move { client.get::<Option<Bytes>, _>(key).await };
        let is_holder = self.run(key, holder).await?.as_deref() == Some(instance.as_bytes());
        let ttl = |client: Client| async move { client.pttl::<i64, _>(key).await };
        // A lease without an end was not taken by a forwarder.
        if is_holder || self.run(key, ttl).await? == NO_TTL {
            self.run(key, set(SetOptions::XX)).await?;
            return Ok(true);
        }
        Ok(false)
    }

    /// Entries of the stream.
    async fn read<F: Future<Output = Result<Entries, RedisError>>>(
        &self,
        op: impl Fn(Client) -> F,
    ) -> Result<Vec<DeadLetter>, StoreFailure> {
        let entries = self.run(&self.key, op).await?;
        Ok(entries.into_iter().map(|(id, fields)| from_entry(id, fields)).collect())
    }

    async fn run<T, F: Future<Output = Result<T, RedisError>>>(
        &self,
        key: &str,
        op: impl Fn(Client) -> F,
    ) -> Result<T, StoreFailure> {
        self.redis.run(key, op).await.map_err(|error| StoreFailure::new(key, &error))
    }
}

/// Entries of a stream: the id of each, and its fields.
type Entries = Vec<(String, HashMap<Bytes, Bytes>)>;

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
