//! The stream of dead letters.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use fred::error::Error;
use fred::interfaces::{KeysInterface, StreamsInterface};
use fred::types::{Expiration, SetOptions, Value};
use redis_core::Key;

use super::Store;
use crate::batch::Batch;

/// A message that could not be applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The stream's entry.
    pub id: String,
    /// Where the message stands in Kafka.
    pub topic: String,
    /// Its partition.
    pub partition: String,
    /// Its offset.
    pub offset: String,
    /// Its Kafka key, empty for none.
    pub key: Bytes,
    /// Why it could not be applied.
    pub reason: String,
    /// Its value, raw and whole.
    pub value: Bytes,
}

impl DeadLetter {
    fn new(id: String, mut fields: HashMap<String, Bytes>) -> Self {
        let mut take = |name| fields.remove(name).unwrap_or_default();
        let (key, value) = (take("key"), take("value"));
        let mut text = |name| String::from_utf8_lossy(&take(name)).into_owned();
        Self {
            id,
            topic: text("topic"),
            partition: text("partition"),
            offset: text("offset"),
            key,
            reason: text("reason"),
            value,
        }
    }
}

/// What became of a dead letter.
#[derive(Debug, PartialEq, Eq)]
pub enum Replayed {
    /// Applied and removed.
    Applied,
    /// It was no longer there.
    Gone,
    /// Redis refuses it still.
    Refused(String),
}

impl Store {
    /// Up to `count` dead letters after the entry `after` (`0` for the first).
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn dead_letters(&self, after: &str, count: u64) -> Result<Vec<DeadLetter>, Error> {
        let entries: Vec<(String, HashMap<String, Bytes>)> =
            self.pool.xrange(Key::DeadLetters.to_string(), format!("({after}"), "+", Some(count)).await?;
        Ok(entries.into_iter().map(|(id, fields)| DeadLetter::new(id, fields)).collect())
    }

    /// Applies the one message of `batch` and removes its dead letter, or neither.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn replay(&self, id: &str, batch: &Batch) -> Result<Replayed, Error> {
        let keys = vec![self.ids.clone(), Key::DeadLetters.to_string()];
        let mut args: Vec<Value> = self.manner.iter().map(|text| Value::from(text.clone())).collect();
        args.extend([Value::from(id.to_owned()), Value::Bytes(Bytes::from(batch.text_from(0)))]);
        let answer = self.replay.run(self.pool.next(), keys, args).await?;
        Ok(match answer.as_string().unwrap_or_default().as_str() {
            "applied" => Replayed::Applied,
            "gone" => Replayed::Gone,
            refusal => Replayed::Refused(refusal.to_owned()),
        })
    }

    /// Removes a dead letter that is safe elsewhere.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn remove(&self, dead_letters: Vec<String>) -> Result<(), Error> {
        self.pool.xdel(Key::DeadLetters.to_string(), dead_letters).await
    }

    /// True for the one that holds the lease of moving dead letters; it lasts `lease` from now.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn may_forward(&self, instance: &str, lease: Duration) -> Result<bool, Error> {
        let key = Key::DeadLettersForwarder.to_string();
        let expire = || Some(Expiration::PX(i64::try_from(lease.as_millis()).unwrap_or(i64::MAX)));
        let taken: Option<String> =
            self.pool.set(&key, instance, expire(), Some(SetOptions::NX), false).await?;
        if taken.is_some() {
            return Ok(true);
        }
        let holder: Option<String> = self.pool.get(&key).await?;
        let mine = holder.as_deref() == Some(instance);
        if mine {
            let _: () = self.pool.set(&key, instance, expire(), Some(SetOptions::XX), false).await?;
        }
        Ok(mine)
    }
}
