//! Partitions: who owns each, the next offset of each, and the batches that move it.

use std::ops::Range;

use anyhow::Context;
use bytes::Bytes;
use fred::clients::Pool;
use fred::interfaces::HashesInterface;
use fred::types::Value;
use fred::types::scripts::Script;
use redis_core::{Key, RedisError};

use super::outcome::{BatchOutcome, Claim, StoredPosition};
use super::script_options::{ScriptOptions, message_script};
use crate::batch::Batch;
use crate::config::WriteConfig;
use crate::topic_partition::TopicPartition;

/// The partitions of a consumer group. Clones share the connections.
///
/// The scripts are fred's `Script`. Its `evalsha_with_reload` clones keys and arguments for a second try, but
/// copies none of them: hash, script and values are reference-counted, and so is the text of a batch, which
/// is `Bytes`. So a call costs one `Vec` of 11 small values more than a plain EVALSHA (reasoned from fred
/// 10.1's source, not measured).
#[derive(Clone)]
pub struct PartitionStore {
    pool: Pool,
    group: String,
    options: ScriptOptions,
    dead_letters_max: Value,
    apply_batch: Script,
    claim: Script,
    set_offset: Script,
}

impl PartitionStore {
    /// The partitions of `group`.
    pub fn new(pool: Pool, group: &str, write: &WriteConfig) -> Self {
        Self {
            pool,
            group: group.to_owned(),
            options: ScriptOptions::new(write),
            dead_letters_max: Value::from(write.dead_letters_max.to_string()),
            apply_batch: message_script(include_str!("apply_batch.lua")),
            claim: Script::from_lua(include_str!("claim.lua")),
            set_offset: Script::from_lua(include_str!("set_offset.lua")),
        }
    }

    /// Becomes the owner of a partition, with an epoch above `epoch`. `topic_id` is empty if the broker has
    /// no ids.
    ///
    /// # Errors
    /// If Redis does not answer, or cannot write.
    pub async fn claim(
        &self,
        partition: &TopicPartition,
        epoch: i64,
        topic_id: &str,
    ) -> anyhow::Result<Claim> {
        let args = vec![partition.partition.to_string(), epoch.to_string(), topic_id.to_owned()];
        let reply: Value =
            self.claim.evalsha_with_reload(self.pool.next(), self.offsets_key(partition), args).await?;
        Claim::parse(&reply).context("claim a partition: unexpected reply of the script")
    }

    /// Sets the next offset of a partition. False if the partition has another owner by now.
    ///
    /// # Errors
    /// If Redis does not answer, or cannot write.
    pub async fn set_offset(
        &self,
        partition: &TopicPartition,
        epoch: i64,
        next_offset: i64,
    ) -> Result<bool, RedisError> {
        let args = vec![partition.partition.to_string(), epoch.to_string(), next_offset.to_string()];
        let reply: Value =
            self.set_offset.evalsha_with_reload(self.pool.next(), self.offsets_key(partition), args).await?;
        Ok(reply.as_i64() == Some(1))
    }

    /// The present owner and the next offset of a partition.
    ///
    /// # Errors
    /// If Redis does not answer.
    pub async fn position(&self, partition: &TopicPartition) -> Result<StoredPosition, RedisError> {
        let fields = vec![format!("{}:epoch", partition.partition), partition.partition.to_string()];
        let (epoch, next_offset) = self.pool.hmget(self.offsets_key(partition), fields).await?;
        Ok(StoredPosition { epoch, next_offset })
    }

    /// Applies a batch of the offsets in `offsets`. The stored offset is expected to be the first of them, or
    /// a later one if an earlier call had an effect. The messages before `resume_at` are known to be applied,
    /// and are not sent.
    ///
    /// # Errors
    /// If Redis does not answer. The batch may be applied or not; send it again.
    pub async fn apply(
        &self,
        partition: &TopicPartition,
        epoch: i64,
        offsets: Range<i64>,
        resume_at: i64,
        batch: &Batch,
    ) -> anyhow::Result<BatchOutcome> {
        let keys = vec![self.offsets_key(partition), self.options.id_set(), Key::DeadLetters.to_string()];
        let args = self.options.followed_by([
            Value::from(partition.partition.to_string()),
            Value::from(epoch.to_string()),
            Value::from(offsets.start.to_string()),
            Value::from(offsets.end.to_string()),
            Value::Bytes(Bytes::from(batch.encode_from(resume_at))),
            Value::from(partition.topic.clone()),
            self.dead_letters_max.clone(),
        ]);
        let reply = self.apply_batch.evalsha_with_reload(self.pool.next(), keys, args).await?;
        BatchOutcome::parse(reply).context("apply a batch: unexpected reply of the script")
    }

    fn offsets_key(&self, partition: &TopicPartition) -> String {
        Key::KafkaOffsets { group: &self.group, topic: &partition.topic }.to_string()
    }
}
