use std::ops::Range;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use redis_core::key::hash_slot;
use redis_core::{Key, Layout};
use tokio::time::sleep;

use super::calls::{Calls, Subject};
use super::parts::Parts;
use super::replies::{Applied, Replies};
use crate::batch::Batch;
use crate::store::failure::StoreFailure;
use crate::store::message_script::version_prefix;
use crate::store::outcome::BatchOutcome;

/// A batch on its way to the shards.
pub(super) struct BatchRun<'a> {
    pub(super) calls: &'a Calls,
    pub(super) subject: Subject<'a>,
    /// The offsets of the batch.
    pub(super) offsets: Range<i64>,
    /// Those of its messages that are applied.
    pub(super) applied: Range<i64>,
    pub(super) batch: &'a Batch,
}

/// Why a batch is not applied whole.
pub(super) enum Stop {
    Failure(StoreFailure),
    Outcome(BatchOutcome),
}

impl From<StoreFailure> for Stop {
    fn from(failure: StoreFailure) -> Self {
        Self::Failure(failure)
    }
}

impl BatchRun<'_> {
    /// Has all shards apply their parts. Ids come before the messages, so that whoever is notified finds them; but if messages
    /// can remove ids, it is known behind them only. A dead letter comes before the messages that are behind it in its slot.
    pub(super) async fn apply(&self) -> Result<(), Stop> {
        self.send(|parts| self.add_ids_and_dead_letters(parts)).await?;
        let applied = self.send(|parts| self.add_messages(parts)).await?;
        if let Some(id_set) = &self.subject.policy.id_set {
            self.send(|parts| {
                for (id, is_in) in &applied.ids {
                    let part = parts.at(hash_slot(id_set))?;
                    if *is_in { part.add_id(id) } else { part.remove_id(id) }
                }
                Ok(())
            })
            .await?;
        }
        Ok(())
    }

    fn add_ids_and_dead_letters(&self, parts: &mut Parts<'_>) -> Result<(), StoreFailure> {
        if let Some(id_set) = &self.subject.policy.id_set {
            for id in self.batch.ids() {
                parts.at(hash_slot(id_set))?.add_id(id);
            }
        }
        if self.batch.bad_messages().is_empty() {
            return Ok(());
        }
        let dead_letters = parts.at(hash_slot(Key::DeadLetters.name(Layout::Cluster)))?;
        self.batch.add_dead_letters(self.applied.clone(), dead_letters);
        Ok(())
    }

    fn add_messages(&self, parts: &mut Parts<'_>) -> Result<(), StoreFailure> {
        let Subject { partition, policy, .. } = self.subject;
        for messages in self.batch.by_slot(self.applied.clone()) {
            let (key, slot) = (self.calls.slot_key(partition, messages.slot), messages.slot);
            parts.at(slot)?.add_section(&key, &version_prefix(policy, Layout::Cluster, slot), &messages);
        }
        Ok(())
    }

    /// Sends each shard its part, and again if slots are elsewhere by then.
    async fn send(&self, fill: impl Fn(&mut Parts<'_>) -> Result<(), StoreFailure>) -> Result<Applied, Stop> {
        let (deadline, owner) = (Instant::now() + MOVE_TIMEOUT, self.subject.owner);
        loop {
            let topology = self.calls.topology();
            let mut parts = Parts::new(&topology);
            fill(&mut parts)?;
            let calls = parts.iter().map(async |(shard, part)| {
                let slot = owner.witness_slot(&topology, shard);
                let reply = self.calls.apply_shard(self.subject, (shard, slot), &self.offsets, part).await;
                reply.map(|reply| (slot, reply))
            });
            let mut replies = Replies::default();
            for reply in join_all(calls).await {
                let (slot, reply) = reply?;
                replies.add(slot, reply);
            }
            let applied = self.settle(replies).await?;
            let Some(slot) = applied.moved.first() else { return Ok(applied) };
            if Instant::now() > deadline {
                let text = format!("hash slot {slot} of the Redis Cluster is being moved, or nobody has it");
                return Err(StoreFailure::Refused(text).into());
            }
            self.calls.locate(self.subject.partition, *slot).await?;
            sleep(MOVE_PAUSE).await;
        }
    }

    /// What was applied, unless the batch cannot go on.
    async fn settle(&self, replies: Replies) -> Result<Applied, Stop> {
        if let Some(epoch) = replies.fenced {
            return Err(Stop::Outcome(BatchOutcome::Fenced(epoch)));
        }
        if !replies.lost.is_empty() {
            return Err(Stop::Outcome(self.calls.rewind(self.subject, &replies.lost).await?));
        }
        if !replies.applied.refused.is_empty() {
            return Err(Stop::Outcome(BatchOutcome::Refused(replies.applied.refused_by_offset())));
        }
        Ok(replies.applied)
    }
}

/// How long a batch waits for a slot that is being moved, before `/ready` says so.
const MOVE_TIMEOUT: Duration = Duration::from_secs(2);
const MOVE_PAUSE: Duration = Duration::from_millis(20);
