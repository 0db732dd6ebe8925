//! The one place that speaks Redis: owning partitions, applying batches, dead letters, memory.

mod dead_letters;
mod outcome;

use std::fmt;

use anyhow::Context;
use bytes::Bytes;
use fred::clients::Pool;
use fred::error::Error;
use fred::interfaces::{ClientLike, HashesInterface};
use fred::types::{InfoKind, Value};
use redis_core::Key;

use crate::batch::Batch;
use crate::config::WriteConfig;
use crate::record::{Notify, StoreAs};
use crate::script::Script;

pub use dead_letters::{DeadLetter, Replayed};
pub use outcome::{Claim, Counts, Outcome};

/// Redis, as this service uses it. Cloning shares the connections.
#[derive(Clone)]
pub struct Store {
    pool: Pool,
    group: String,
    ids: String,
    /// What the scripts ask about every message alike.
    manner: [String; 4],
    dead_letters_max: String,
    apply: Script,
    claim: Script,
    begin: Script,
    replay: Script,
}

/// A partition of a topic.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicPartition {
    /// The topic.
    pub topic: String,
    /// The partition's number.
    pub partition: i32,
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.topic, self.partition)
    }
}

impl Store {
    /// A store for a consumer group.
    pub fn new(pool: Pool, group: &str, write: &WriteConfig) -> Self {
        let store_as = match write.store_as {
            StoreAs::Hash => "hash",
            StoreAs::Json => "json",
            StoreAs::Stream => "stream",
        };
        let notice = if write.notify == Notify::Text { write.notify_text.as_str() } else { "" };
        let ttl = write.ttl.map_or(0, |ttl| ttl.as_millis());
        let message = include_str!("lua/message.lua");
        Self {
            pool,
            group: group.to_owned(),
            ids: write.id_set().unwrap_or_default().to_owned(),
            manner: [store_as.to_owned(), notice.to_owned(), ttl.to_string(), write.stream_max.to_string()],
            dead_letters_max: write.dead_letters_max.to_string(),
            apply: Script::new(&[message, include_str!("lua/apply.lua")]),
            claim: Script::new(&[include_str!("lua/claim.lua")]),
            begin: Script::new(&[include_str!("lua/begin.lua")]),
            replay: Script::new(&[message, include_str!("lua/replay.lua")]),
        }
    }

    /// Becomes the owner of a partition, with an epoch above `epoch`. `topic_id` is empty where the broker has none.
    ///
    /// # Errors
    /// When Redis does not answer, or cannot write.
    pub async fn claim(&self, at: &TopicPartition, epoch: i64, topic_id: &str) -> anyhow::Result<Claim> {
        let args = [at.partition.to_string(), epoch.to_string(), topic_id.to_owned()];
        let claim = self.claim.run(self.pool.next(), vec![self.offsets(at)], args.map(Value::from).to_vec());
        let [epoch, next, applied, dead, recreated] =
            texts(claim.await?).context("claim a partition: strange answer")?;
        Ok(Claim {
            epoch: epoch.parse().context("read the epoch")?,
            next: if next.is_empty() { None } else { Some(next.parse().context("read the offset")?) },
            counts: Counts { applied: applied.parse()?, dead: dead.parse()? },
            recreated: recreated == "1",
        })
    }

    /// Sets the offset of the next message of a partition; false if it has another owner by now.
    ///
    /// # Errors
    /// When Redis does not answer, or cannot write.
    pub async fn begin(&self, at: &TopicPartition, epoch: i64, next: i64) -> Result<bool, Error> {
        let args = [at.partition.to_string(), epoch.to_string(), next.to_string()];
        let begun =
            self.begin.run(self.pool.next(), vec![self.offsets(at)], args.map(Value::from).to_vec()).await?;
        Ok(begun.as_i64() == Some(1))
    }

    /// The epoch and the offset of the next message, as they stand.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn position(&self, at: &TopicPartition) -> Result<(Option<i64>, Option<i64>), Error> {
        let fields = vec![format!("{}:epoch", at.partition), at.partition.to_string()];
        self.pool.hmget(self.offsets(at), fields).await
    }

    /// Applies a batch that covers the offsets `covers`, of which Redis is believed to hold the first or a later one. The
    /// messages before `from` are known to be applied, and are not sent.
    ///
    /// # Errors
    /// When Redis does not answer: the batch may have been applied or not, and is to be sent again.
    pub async fn apply(
        &self,
        at: &TopicPartition,
        epoch: i64,
        covers: (i64, i64),
        from: i64,
        batch: &Batch,
    ) -> anyhow::Result<Outcome> {
        let keys = vec![self.offsets(at), self.ids.clone(), Key::DeadLetters.to_string()];
        let mut args: Vec<Value> = self.manner.iter().map(|text| Value::from(text.clone())).collect();
        let place = [at.partition.to_string(), epoch.to_string(), covers.0.to_string(), covers.1.to_string()];
        args.extend(place.map(Value::from));
        args.push(Value::Bytes(Bytes::from(batch.text_from(from))));
        args.extend([at.topic.clone(), self.dead_letters_max.clone()].map(Value::from));
        Outcome::parse(self.apply.run(self.pool.next(), keys, args).await?)
            .context("apply a batch: strange answer")
    }

    /// How much of its memory Redis uses, where it refuses writes when that is full; `None` where it evicts or has no bound.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn memory_percent(&self) -> Result<Option<u64>, Error> {
        let info: String = self.pool.info(Some(InfoKind::Memory)).await?;
        Ok(memory_percent(&info))
    }

    fn offsets(&self, at: &TopicPartition) -> String {
        Key::KafkaOffsets { group: &self.group, topic: &at.topic }.to_string()
    }
}

fn texts<const N: usize>(answer: Value) -> Option<[String; N]> {
    answer.into_array().iter().map(Value::as_string).collect::<Option<Vec<_>>>()?.try_into().ok()
}

fn memory_percent(info: &str) -> Option<u64> {
    let of = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let (used, max): (u64, u64) =
        (of("used_memory")?.trim().parse().ok()?, of("maxmemory")?.trim().parse().ok()?);
    let refuses = of("maxmemory_policy")?.trim() == "noeviction";
    (refuses && max > 0).then(|| used.saturating_mul(100) / max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_counts_only_where_writes_are_refused_when_it_is_full() {
        let info = |max, policy| {
            format!("used_memory:90\r\nused_memory_rss:7\r\nmaxmemory:{max}\r\nmaxmemory_policy:{policy}\r\n")
        };
        assert_eq!(memory_percent(&info(100, "noeviction")), Some(90));
        assert_eq!(memory_percent(&info(0, "noeviction")), None);
        assert_eq!(memory_percent(&info(100, "allkeys-lru")), None);
        assert_eq!(memory_percent(""), None);
    }
}
