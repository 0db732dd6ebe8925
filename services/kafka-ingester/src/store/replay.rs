//! Applying a dead letter again.

use std::collections::HashMap;

use bytes::Bytes;
use fred::clients::Client;
use fred::interfaces::{SetsInterface, StreamsInterface};
use fred::types::Value;
use fred::types::scripts::Script;
use redis_core::{Layout, Redis};

use super::failure::StoreFailure;
use super::ids::ids_of;
use super::message_script::{id_set, message_script, script_args, version_prefix};
use crate::batch::{Batch, SlotMessages};
use crate::message::Policy;

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

/// What is applied again.
pub(super) struct Replayed<'a> {
    /// The stream of dead letters.
    pub(super) dead_letters: &'a str,
    /// The id of its entry.
    pub(super) id: &'a str,
    /// How the message was decoded.
    pub(super) policy: &'a Policy,
    /// The one message.
    pub(super) batch: &'a Batch,
}

/// Applies dead letters again. Clones share the connections.
#[derive(Clone)]
pub(super) struct Replay {
    redis: Redis,
    replay_dead_letter: Script,
    replay_message: Script,
}

impl Replay {
    pub(super) fn new(redis: Redis) -> Self {
        let replay_dead_letter = message_script(include_str!("replay_dead_letter.lua"));
        Self { redis, replay_dead_letter, replay_message: message_script(include_str!("replay_message.lua")) }
    }

    /// Applies the message, and removes the dead letter.
    pub(super) async fn run(&self, replayed: Replayed<'_>) -> Result<ReplayOutcome, StoreFailure> {
        match self.redis.layout() {
            Layout::One => self.in_one_step(replayed).await,
            Layout::Cluster => self.in_steps(replayed).await,
        }
    }

    async fn in_one_step(&self, replayed: Replayed<'_>) -> Result<ReplayOutcome, StoreFailure> {
        let Replayed { dead_letters, id, policy, batch } = replayed;
        let keys = &vec![id_set(policy), dead_letters.to_owned()];
        let encoded = Value::Bytes(Bytes::from(batch.encode_from(0)));
        let prefix = version_prefix(policy, Layout::One, 0);
        let args = &script_args(policy, &prefix, [Value::from(id.to_owned()), encoded]);
        let script = &self.replay_dead_letter;
        let call =
            |client| async move { script.evalsha_with_reload(&client, keys.clone(), args.clone()).await };
        let reply: Result<Value, _> = self.redis.run(dead_letters, call).await;
        let reply = reply.map_err(|error| StoreFailure::new(dead_letters, &error))?;
        let texts: Option<Vec<String>> = reply.into_array().iter().map(Value::as_string).collect();
        let texts = texts.unwrap_or_default();
        match &*texts.iter().map(String::as_str).collect::<Vec<_>>() {
            ["applied"] => Ok(ReplayOutcome::Applied),
            ["missing"] => Ok(ReplayOutcome::Missing),
            ["refused", error, key] => {
                StoreFailure::of_message((*error).to_owned(), key).map(ReplayOutcome::Refused)
            }
            _ => Err(StoreFailure::unexpected_reply(dead_letters)),
        }
    }

    /// Each hash slot is one step; then come the ids, and at last the entry.
    async fn in_steps(&self, replayed: Replayed<'_>) -> Result<ReplayOutcome, StoreFailure> {
        let Replayed { dead_letters, id, policy, batch } = replayed;
        let fail = |error| StoreFailure::new(dead_letters, &error);
        let read = |client: Client| async move {
            client.xrange::<Vec<Value>, _, _, _>(dead_letters, id, id, None).await
        };
        if self.redis.run(dead_letters, read).await.map_err(fail)?.is_empty() {
            return Ok(ReplayOutcome::Missing);
        }
        self.change_ids(policy, batch.ids().map(|id| (id.to_owned(), true)).collect()).await?;
        for messages in batch.by_slot(0..i64::MAX) {
            if let Some(reason) = self.apply(&messages, policy).await? {
                return Ok(ReplayOutcome::Refused(reason));
            }
        }
        let remove = |client: Client| async move { client.xdel::<(), _, _>(dead_letters, id).await };
        self.redis.run(dead_letters, remove).await.map_err(fail)?;
        Ok(ReplayOutcome::Applied)
    }

    /// Applies the messages of one hash slot. Returns the reason if Redis refuses one.
    async fn apply(
        &self,
        messages: &SlotMessages<'_>,
        policy: &Policy,
    ) -> Result<Option<String>, StoreFailure> {
        let prefix = version_prefix(policy, Layout::Cluster, messages.slot);
        let encoded = Value::Bytes(Bytes::from(messages.encode()));
        let args = script_args(policy, &prefix, [encoded, Value::from(id_set(policy))]);
        let no_shard = || StoreFailure::Unanswered(format!("no shard has the hash slot {}", messages.slot));
        // Not by Redis::run: behind ASK, keys that are not moved yet would be made anew.
        let shard = self.redis.shard_of_slot(messages.slot).ok_or_else(no_shard)?;
        let reply = self.replay_message.evalsha_with_reload(shard.client(), Vec::<String>::new(), args).await;
        let reply: Value = reply.map_err(|error| StoreFailure::new("", &error))?;
        let reply = reply.into_array();
        let text = |place: usize| reply.get(place).and_then(Value::as_string);
        match (text(0).as_deref(), text(1), text(2)) {
            (Some("refused"), Some(error), Some(key)) => StoreFailure::of_message(error, &key).map(Some),
            (Some("applied"), ..) => {
                self.change_ids(policy, reply.get(1).map(ids_of).unwrap_or_default()).await.map(|()| None)
            }
            _ => Err(StoreFailure::unexpected_reply("the message")),
        }
    }

    /// Adds ids to their set, or removes them.
    async fn change_ids(&self, policy: &Policy, ids: HashMap<String, bool>) -> Result<(), StoreFailure> {
        let Some(id_set) = policy.id_set.as_deref() else { return Ok(()) };
        for (id, is_in) in &ids {
            let change = |client: Client| async move {
                if *is_in { client.sadd::<(), _, _>(id_set, id).await } else { client.srem(id_set, id).await }
            };
            self.redis.run(id_set, change).await.map_err(|error| StoreFailure::new(id_set, &error))?;
        }
        Ok(())
    }
}
