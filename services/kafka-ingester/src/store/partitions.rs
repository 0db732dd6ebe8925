//! Partitions: who owns each, the next offset of each, and the batches that move it.

use std::ops::Range;

use bytes::Bytes;
use fred::clients::Pool;
use fred::interfaces::HashesInterface;
use fred::types::Value;
use fred::types::scripts::Script;
use redis_core::{Key, WaitReplicas};

use super::failure::StoreFailure;
use super::message_script::{id_set, message_script, script_args};
use super::outcome::{BatchOutcome, Claim, StoredPosition};
use crate::batch::Batch;
use crate::config::WriteConfig;
use crate::message::Policy;
use crate::topic_partition::TopicPartition;

/// The partitions of a consumer group. Clones share the connections.
///
/// The scripts are fred's `Script`. Its `evalsha_with_reload` clones keys and arguments for a second try, but
/// copies none of them: hash, script and values are reference-counted, and so is the text of a batch, which
/// is `Bytes`. So a call costs one `Vec` of 14 small values more than a plain EVALSHA (reasoned from fred
/// 10.1's source, not measured).
#[derive(Clone)]
pub struct PartitionStore {
    pool: Pool,
    group: String,
    wait: WaitReplicas,
    dead_letters_max: Value,
    bad_in_row_max: Value,
    apply_batch: Script,
    claim: Script,
    set_offset: Script,
}

impl PartitionStore {
    /// The partitions of `group`. A batch counts as applied when as many replicas as `wait` says have it.
    pub fn new(pool: Pool, group: &str, write: &WriteConfig, wait: WaitReplicas) -> Self {
        let bad_in_row_max = if write.bad_messages_pause { BAD_IN_ROW_MAX } else { 0 };
        Self {
            pool,
            group: group.to_owned(),
            wait,
            dead_letters_max: Value::from(write.dead_letters_max.to_string()),
            bad_in_row_max: Value::from(bad_in_row_max.to_string()),
            apply_batch: message_script(include_str!("apply_batch.lua")),
            claim: Script::from_lua(include_str!("claim.lua")),
            set_offset: Script::from_lua(include_str!("set_offset.lua")),
        }
    }

    /// Becomes the owner of a partition, with an epoch above `epoch`. `topic_id` is empty if the broker has
    /// no ids.
    ///
    /// # Errors
    /// If Redis does not answer, or refuses it.
    pub async fn claim(
        &self,
        partition: &TopicPartition,
        epoch: i64,
        topic_id: &str,
    ) -> Result<Claim, StoreFailure> {
        let key = self.offsets_key(partition);
        let args = vec![partition.partition.to_string(), epoch.to_string(), topic_id.to_owned()];
        let reply = self.claim.evalsha_with_reload::<Value, _, _>(self.pool.next(), key.clone(), args).await;
        let reply = reply.map_err(|error| StoreFailure::new(&key, &error))?;
        Claim::parse(&reply).ok_or_else(|| StoreFailure::unexpected_reply(&key))
    }

    /// Sets the next offset of a partition. False if the partition has another owner by now.
    ///
    /// # Errors
    /// If Redis does not answer, or refuses it.
    pub async fn set_offset(
        &self,
        partition: &TopicPartition,
        epoch: i64,
        next_offset: i64,
    ) -> Result<bool, StoreFailure> {
        let key = self.offsets_key(partition);
        let args = vec![partition.partition.to_string(), epoch.to_string(), next_offset.to_string()];
        let client = self.pool.next();
        let write = self.set_offset.evalsha_with_reload::<Value, _, _>(client, key.clone(), args);
        let reply =
            self.wait.confirm(client, write).await.map_err(|error| StoreFailure::new(&key, &error))?;
        Ok(reply.as_i64() == Some(1))
    }

    /// The present owner and the next offset of a partition.
    ///
    /// # Errors
    /// If Redis does not answer, or refuses it.
    pub async fn position(&self, partition: &TopicPartition) -> Result<StoredPosition, StoreFailure> {
        let key = self.offsets_key(partition);
        let fields = vec![format!("{}:epoch", partition.partition), partition.partition.to_string()];
        let fields = self.pool.hmget(&key, fields).await;
        let (epoch, next_offset) = fields.map_err(|error| StoreFailure::new(&key, &error))?;
        Ok(StoredPosition { epoch, next_offset })
    }

    /// Applies a batch of the offsets in `offsets`, which `policy` decoded. The stored offset is expected to be the first of them, or
    /// a later one if an earlier call had an effect. The messages before `resume_at` are known to be applied,
    /// and are not sent.
    ///
    /// # Errors
    /// If Redis does not answer, or refuses what no message is to blame for. The batch may be applied, or a
    /// part of it, or nothing; send it again.
    pub async fn apply(
        &self,
        partition: &TopicPartition,
        epoch: i64,
        offsets: Range<i64>,
        resume_at: i64,
        policy: &Policy,
        batch: &Batch,
    ) -> Result<BatchOutcome, StoreFailure> {
        let offsets_key = self.offsets_key(partition);
        let keys = vec![offsets_key.clone(), id_set(policy), Key::DeadLetters.to_string()];
        let own = [
            Value::from(partition.partition.to_string()),
            Value::from(epoch.to_string()),
            Value::from(offsets.start.to_string()),
            Value::from(offsets.end.to_string()),
            Value::Bytes(Bytes::from(batch.encode_from(resume_at))),
            Value::from(partition.topic.clone()),
            self.dead_letters_max.clone(),
            self.bad_in_row_max.clone(),
        ];
        let args = script_args(policy, own);
        let client = self.pool.next();
        let write = self.apply_batch.evalsha_with_reload(client, keys, args);
        let reply = self.wait.confirm(client, write).await;
        BatchOutcome::parse(reply.map_err(|error| StoreFailure::new(&offsets_key, &error))?, &offsets_key)
    }

    fn offsets_key(&self, partition: &TopicPartition) -> String {
        Key::KafkaOffsets { group: &self.group, topic: &partition.topic }.to_string()
    }
}

/// A partition stops after so many bad messages in a row: then it is the settings that are wrong, or the whole topic.
const BAD_IN_ROW_MAX: u32 = 1_000;
