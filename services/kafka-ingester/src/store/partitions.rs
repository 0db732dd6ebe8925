//! Partitions: who owns each, the next offset of each, and the batches that move it.

use std::ops::Range;
use std::time::SystemTime;

use bytes::Bytes;
use fred::clients::Client;
use fred::interfaces::HashesInterface;
use fred::types::Value;
use fred::types::scripts::Script;
use redis_core::{Key, Layout, Redis, WaitReplicas};

use super::failure::StoreFailure;
use super::message_script::{id_set, message_script, script_args, version_prefix};
use super::outcome::{BatchOutcome, Claim, StoredPosition};
use super::owner::Owner;
use super::shards::{Shards, Subject};
use crate::batch::Batch;
use crate::config::WriteConfig;
use crate::message::Policy;
use crate::topic_partition::TopicPartition;

/// The partitions of a consumer group. Clones share the connections.
///
/// The scripts are fred's `Script`. Its `evalsha_with_reload` clones keys and arguments for a second try, but
/// copies none of them: hash, script and values are reference-counted, and so is the text of a batch, which
/// is `Bytes`. So a call costs some `Vec`s of 14 small values more than a plain EVALSHA (reasoned from fred
/// 10.1's source, not measured).
#[derive(Clone)]
pub struct PartitionStore {
    redis: Redis,
    group: String,
    wait: WaitReplicas,
    dead_letters_max: Value,
    bad_in_row_max: Value,
    apply_batch: Script,
    claim: Script,
    set_offset: Script,
    /// On a Cluster.
    shards: Shards,
}

impl PartitionStore {
    /// The partitions of `group`. A batch counts as applied when as many replicas as `wait` says have it.
    pub fn new(redis: Redis, group: &str, write: &WriteConfig, wait: WaitReplicas) -> Self {
        let bad_in_row_max = if write.bad_messages_pause { BAD_IN_ROW_MAX } else { 0 };
        let dead_letters_max = Value::from(write.dead_letters_max.to_string());
        Self {
            shards: Shards::new(redis.clone(), group, dead_letters_max.clone(), bad_in_row_max, wait),
            redis,
            group: group.to_owned(),
            wait,
            dead_letters_max,
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
        let args = vec![partition.partition.to_string(), epoch.to_string(), topic_id.to_owned()];
        let key = &self.offsets_key(partition);
        let (script, args) = (&self.claim, &args);
        let call =
            |client| async move { script.evalsha_with_reload(&client, key.clone(), args.clone()).await };
        let reply: Value = self.redis.run(key, call).await.map_err(|error| StoreFailure::new(key, &error))?;
        Claim::parse(&reply).ok_or_else(|| StoreFailure::unexpected_reply(key))
    }

    /// Sets the next offset of a partition. False if the partition has another owner by now.
    ///
    /// # Errors
    /// If Redis does not answer, or refuses it.
    pub async fn set_offset(
        &self,
        partition: &TopicPartition,
        owner: &Owner,
        next_offset: i64,
    ) -> Result<bool, StoreFailure> {
        let key = &self.offsets_key(partition);
        let generation = if self.is_on_cluster() { new_generation() } else { String::new() };
        let partition = partition.partition.to_string();
        let args = &vec![partition, owner.epoch().to_string(), next_offset.to_string(), generation.clone()];
        let (script, wait) = (&self.set_offset, self.wait);
        let call = |client| async move {
            let write = script.evalsha_with_reload::<Value, _, _>(&client, key.clone(), args.clone());
            wait.confirm(&client, write).await
        };
        let reply = self.redis.run(key, call).await.map_err(|error| StoreFailure::new(key, &error))?;
        let is_set = reply.as_i64() == Some(1);
        if is_set {
            owner.begin(generation);
        }
        Ok(is_set)
    }

    /// The present owner and the next offset of a partition. On a Cluster `owner` also looks whether each shard has what it
    /// acknowledged; if one has not, the next offset is set back.
    ///
    /// # Errors
    /// If Redis does not answer, or refuses it.
    pub async fn position(
        &self,
        partition: &TopicPartition,
        owner: &Owner,
        policy: &Policy,
    ) -> Result<StoredPosition, StoreFailure> {
        let key = &self.offsets_key(partition);
        let fields = &vec![format!("{}:epoch", partition.partition), partition.partition.to_string()];
        let read = |client: Client| async move { client.hmget(key, fields.clone()).await };
        let read = self.redis.run(key, read).await;
        let (epoch, next_offset) = read.map_err(|error| StoreFailure::new(key, &error))?;
        let stored = StoredPosition { epoch, next_offset };
        match next_offset {
            Some(offset) if self.is_on_cluster() && epoch == Some(owner.epoch()) => {
                let subject = Subject { partition, owner, policy };
                Ok(self.shards.check(subject, offset).await?.unwrap_or(stored))
            }
            _ => Ok(stored),
        }
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
        owner: &Owner,
        offsets: Range<i64>,
        resume_at: i64,
        policy: &Policy,
        batch: &Batch,
    ) -> Result<BatchOutcome, StoreFailure> {
        if self.is_on_cluster() {
            let subject = Subject { partition, owner, policy };
            return self.shards.apply(subject, offsets, batch).await;
        }
        let key = &self.offsets_key(partition);
        let keys = &vec![key.clone(), id_set(policy), Key::DeadLetters.to_string()];
        let own = [
            Value::from(partition.partition.to_string()),
            Value::from(owner.epoch().to_string()),
            Value::from(offsets.start.to_string()),
            Value::from(offsets.end.to_string()),
            Value::Bytes(Bytes::from(batch.encode_from(resume_at))),
            Value::from(partition.topic.clone()),
            self.dead_letters_max.clone(),
            self.bad_in_row_max.clone(),
        ];
        let args = &script_args(policy, &version_prefix(policy, Layout::One, 0), own);
        let (script, wait) = (&self.apply_batch, self.wait);
        let call = |client| async move {
            let write = script.evalsha_with_reload(&client, keys.clone(), args.clone());
            wait.confirm(&client, write).await
        };
        let reply = self.redis.run(key, call).await.map_err(|error| StoreFailure::new(key, &error))?;
        BatchOutcome::parse(reply, key)
    }

    fn offsets_key(&self, partition: &TopicPartition) -> String {
        let TopicPartition { topic, partition } = partition;
        Key::KafkaOffsets { group: &self.group, topic, partition: *partition }.name(self.redis.layout())
    }

    fn is_on_cluster(&self) -> bool {
        self.redis.layout() == Layout::Cluster
    }
}

/// Another name than all before it.
fn new_generation() -> String {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    format!("{:x}", now.as_micros())
}

/// A partition stops after so many bad messages in a row: then it is the settings that are wrong, or the whole topic.
const BAD_IN_ROW_MAX: u32 = 1_000;
