//! The calls by which a batch is applied on a Cluster.

use std::ops::Range;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use fred::clients::Client;
use fred::interfaces::HashesInterface;
use fred::types::Value;
use fred::types::scripts::Script;
use redis_core::{ErrorClass, Key, Layout, Redis, RedisError, Shard, Topology, WaitReplicas};

use super::replies::{Applied, KnownCall, ShardReply};
use crate::batch::{ShardPart, Tally};
use crate::message::Policy;
use crate::store::failure::StoreFailure;
use crate::store::message_script::{id_set, message_script, script_args, version_prefix};
use crate::store::outcome::BatchOutcome;
use crate::store::owner::{Call, Owner};
use crate::topic_partition::TopicPartition;

/// What is called on a Cluster for the partitions of a consumer group.
#[derive(Clone)]
pub(super) struct Calls {
    redis: Redis,
    group: String,
    wait: WaitReplicas,
    dead_letters_max: Value,
    apply_shard: Script,
    commit: Script,
    rewind: Script,
}

/// Whose messages are applied, and how.
#[derive(Clone, Copy)]
pub(in crate::store) struct Subject<'a> {
    pub(in crate::store) partition: &'a TopicPartition,
    pub(in crate::store) owner: &'a Owner,
    pub(in crate::store) policy: &'a Policy,
}

impl Calls {
    pub(super) fn new(redis: Redis, group: &str, dead_letters_max: Value, wait: WaitReplicas) -> Self {
        Self {
            redis,
            group: group.to_owned(),
            wait,
            dead_letters_max,
            apply_shard: message_script(include_str!("../apply_shard.lua")),
            commit: Script::from_lua(include_str!("../commit.lua")),
            rewind: Script::from_lua(include_str!("../rewind.lua")),
        }
    }

    /// Which shard has which slots now.
    pub(super) fn topology(&self) -> Topology {
        self.redis.topology().borrow().clone()
    }

    /// Has a shard, which has its witness in this slot, apply its part of a batch.
    pub(super) async fn apply_shard(
        &self,
        subject: Subject<'_>,
        (shard, witness_slot): (&Shard, u16),
        offsets: &Range<i64>,
        part: &ShardPart,
    ) -> Result<ShardReply, StoreFailure> {
        let Subject { partition, owner, policy } = subject;
        let (call, known) = (owner.next_call(), owner.acknowledged(witness_slot).unwrap_or_default());
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        let text = |text: &dyn ToString| Value::from(text.to_string());
        let own = [
            text(&partition.partition),
            text(&call.epoch),
            text(&call.number),
            text(&known.epoch),
            text(&known.number),
            text(&offsets.start),
            Value::from(owner.generation()),
            text(&(now.as_secs() / DAY.as_secs())),
            text(&offsets.end),
            Value::Bytes(Bytes::from(part.encode())),
            Value::from(partition.topic.clone()),
            self.dead_letters_max.clone(),
            Value::from(id_set(policy)),
            text(&Key::DeadLetters.name(Layout::Cluster)),
            Value::from(self.dead_offsets_key(partition)),
            text(&now.as_millis()),
            text(&u8::from(policy.deletes() && policy.id_set.is_some())),
        ];
        let args = script_args(policy, &version_prefix(policy, Layout::Cluster, witness_slot), own);
        let key = self.witness_key(partition, witness_slot);
        // Not by Redis::run: behind ASK, keys that are not moved yet would be made anew.
        let write = self.apply_shard.evalsha_with_reload(shard.client(), key.clone(), args);
        let reply = match self.wait.confirm(shard.client(), write).await {
            Ok(reply) => ShardReply::parse(reply, &key)?,
            Err(error) if ErrorClass::of(&error) == ErrorClass::Cluster => ShardReply::moved(witness_slot),
            Err(error) => return Err(StoreFailure::new(&key, &error)),
        };
        if matches!(reply, ShardReply::Done(_)) {
            owner.acknowledge(witness_slot, call);
        }
        Ok(reply)
    }

    /// Looks whether the shard with this witness has what it acknowledged, without writing.
    pub(super) async fn look(
        &self,
        subject: Subject<'_>,
        slot: u16,
        acknowledged: Call,
    ) -> Result<ShardReply, StoreFailure> {
        let Subject { partition, owner, .. } = subject;
        let key = &self.witness_key(partition, slot);
        let field = &partition.partition.to_string();
        let read = |client: Client| async move { client.hget(key, field).await };
        let text: Option<String> =
            self.redis.run(key, read).await.map_err(|error| StoreFailure::new(key, &error))?;
        let known = text.as_deref().and_then(KnownCall::parse);
        Ok(match known.map(|known| known.call) {
            Some(call) if call.epoch > owner.epoch() => ShardReply::Fenced(call.epoch.to_string()),
            Some(call) if call >= acknowledged => ShardReply::Done(Applied::default()),
            _ => ShardReply::Lost(known),
        })
    }

    /// Moves the partition's offset from that of a batch to the end of what was tallied.
    pub(super) async fn commit(
        &self,
        subject: Subject<'_>,
        start: i64,
        tally: &Tally,
    ) -> Result<BatchOutcome, StoreFailure> {
        let Subject { partition, owner, .. } = subject;
        let args = [
            partition.partition.to_string(),
            owner.epoch().to_string(),
            start.to_string(),
            tally.end.to_string(),
            tally.applied.to_string(),
            tally.dead_letters.to_string(),
            tally.bad_in_row.to_string(),
            owner.witnesses(&self.topology(), &[]),
        ];
        let key = self.offsets_key(partition);
        let reply = self.write(&self.commit, &key, args.map(Value::from).into()).await?;
        BatchOutcome::parse(reply, &key)
    }

    /// Sets the partition's offset back to where all shards have what is before it; to none if one of them knows no call at all.
    pub(super) async fn rewind(
        &self,
        subject: Subject<'_>,
        lost: &[(u16, Option<KnownCall>)],
    ) -> Result<BatchOutcome, StoreFailure> {
        let Subject { partition, owner, .. } = subject;
        // None is smaller than any offset.
        let offset = lost.iter().map(|(_, known)| known.map(|known| known.first_offset)).min().flatten();
        let lost: Vec<(u16, Option<Call>)> =
            lost.iter().map(|(slot, known)| (*slot, known.map(|known| known.call))).collect();
        let args = [
            partition.partition.to_string(),
            owner.epoch().to_string(),
            offset.map_or_else(String::new, |offset| offset.to_string()),
            owner.witnesses(&self.topology(), &lost),
        ];
        let key = self.offsets_key(partition);
        let reply = self.write(&self.rewind, &key, args.map(Value::from).into()).await?;
        BatchOutcome::parse(reply, &key)
    }

    /// Asks for something in this slot, so that whoever is asked in vain tells where it is.
    pub(super) async fn locate(&self, partition: &TopicPartition, slot: u16) -> Result<(), StoreFailure> {
        let (key, field) = (&self.slot_key(partition, slot), &partition.partition.to_string());
        let read = |client: Client| async move { client.hget::<Value, _, _>(key, field).await };
        self.redis.run(key, read).await.map(drop).map_err(|error| StoreFailure::new(key, &error))
    }

    /// The key of the offset up to which a slot is written.
    pub(super) fn slot_key(&self, partition: &TopicPartition, slot: u16) -> String {
        Key::KafkaSlot { group: &self.group, topic: &partition.topic, slot }.name(Layout::Cluster)
    }

    /// Runs a script that writes, until as many replicas have it as they must.
    async fn write(&self, script: &Script, key: &str, args: Vec<Value>) -> Result<Value, StoreFailure> {
        let (wait, args) = (self.wait, &args);
        let call = |client: Client| async move {
            let write = script.evalsha_with_reload(&client, key, args.clone());
            wait.confirm(&client, write).await
        };
        let reply: Result<Value, RedisError> = self.redis.run(key, call).await;
        reply.map_err(|error| StoreFailure::new(key, &error))
    }

    fn offsets_key(&self, partition: &TopicPartition) -> String {
        let TopicPartition { topic, partition } = partition;
        Key::KafkaOffsets { group: &self.group, topic, partition: *partition }.name(Layout::Cluster)
    }

    fn witness_key(&self, partition: &TopicPartition, slot: u16) -> String {
        Key::KafkaWitness { group: &self.group, topic: &partition.topic, slot }.name(Layout::Cluster)
    }

    fn dead_offsets_key(&self, partition: &TopicPartition) -> String {
        let TopicPartition { topic, partition } = partition;
        Key::KafkaDeadOffsets { group: &self.group, topic, partition: *partition }.name(Layout::Cluster)
    }
}

const DAY: Duration = Duration::from_secs(86_400);
