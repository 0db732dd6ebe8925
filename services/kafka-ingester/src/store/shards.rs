//! Batches on a Redis Cluster. Each shard applies its part of a batch in one step; then the partition's offset is moved.
//!
//! A part can be sent again: each hash slot has the offset up to which it is written, and a dead letter its own. So it does not
//! matter which parts of a batch were applied when its owner is killed, or when a slot goes to another shard meanwhile.
//!
//! A shard that fails over may lose what it acknowledged. It loses the number of the call too, which is in its witness. The next
//! call is refused then, and the partition is read again from the batch of the last call that the shard knows. The other
//! shards skip what they have.

mod batch_run;
mod calls;
mod parts;
mod replies;

use std::ops::Range;

use fred::types::Value;
use futures_util::future::join_all;
use redis_core::{Redis, Shard, WaitReplicas};

use self::batch_run::{BatchRun, Stop};
use self::calls::Calls;
use self::replies::Replies;
use super::failure::StoreFailure;
use super::outcome::{BatchOutcome, StoredPosition};
use crate::batch::{Batch, ShardPart, Tally};

pub(super) use self::calls::Subject;

/// The shards of a Redis Cluster, for the partitions of a consumer group.
#[derive(Clone)]
pub(super) struct Shards {
    calls: Calls,
    bad_in_row_max: u32,
}

impl Shards {
    /// A partition stops at so many bad messages in a row, at 0 never.
    pub(super) fn new(
        redis: Redis,
        group: &str,
        dead_letters_max: Value,
        bad_in_row_max: u32,
        wait: WaitReplicas,
    ) -> Self {
        Self { calls: Calls::new(redis, group, dead_letters_max, wait), bad_in_row_max }
    }

    /// Applies a batch of the offsets in `offsets`.
    pub(super) async fn apply(
        &self,
        subject: Subject<'_>,
        offsets: Range<i64>,
        batch: &Batch,
    ) -> Result<BatchOutcome, StoreFailure> {
        let tally = batch.tally(offsets.end, subject.owner.bad_in_row(), self.bad_in_row_max);
        let (start, end, applied) = (offsets.start, offsets.end, offsets.start..tally.end);
        let run = BatchRun { calls: &self.calls, subject, offsets, applied, batch };
        match run.apply().await {
            Ok(()) => {}
            Err(Stop::Outcome(outcome)) => return Ok(outcome),
            Err(Stop::Failure(failure)) => return Err(failure),
        }
        let outcome = self.calls.commit(subject, start, &tally).await?;
        let BatchOutcome::Applied(counts) = outcome else { return Ok(outcome) };
        subject.owner.set_bad_in_row(tally.bad_in_row);
        Ok(if tally.end < end { BatchOutcome::AllBad(tally.end, counts) } else { outcome })
    }

    /// Looks whether each shard that can be reached has what it acknowledged, and puts a witness into those that have none.
    /// Returns the partition's position if it has another owner, or was set back.
    pub(super) async fn check(
        &self,
        subject: Subject<'_>,
        next_offset: i64,
    ) -> Result<Option<StoredPosition>, StoreFailure> {
        let (owner, topology) = (subject.owner, self.calls.topology());
        let works = topology.shards().iter().filter(|shard| shard.state().borrow().is_ok());
        let witnesses: Vec<(&Shard, u16)> =
            works.map(|shard| (shard, owner.witness_slot(&topology, shard))).collect();
        let has_new = witnesses.iter().any(|(_, slot)| owner.acknowledged(*slot).is_none());
        let (offsets, nothing) = (next_offset..next_offset, ShardPart::default());
        let looks = witnesses.iter().map(async |&(shard, slot)| match owner.acknowledged(slot) {
            Some(acknowledged) => self.calls.look(subject, slot, acknowledged).await,
            None => self.calls.apply_shard(subject, (shard, slot), &offsets, &nothing).await,
        });
        let mut replies = Replies::default();
        for ((_, slot), reply) in witnesses.iter().zip(join_all(looks).await) {
            replies.add(*slot, reply?);
        }
        let outcome = if !replies.lost.is_empty() {
            self.calls.rewind(subject, &replies.lost).await?
        } else if let Some(epoch) = replies.fenced {
            BatchOutcome::Fenced(epoch)
        } else if has_new {
            let bad_in_row = owner.bad_in_row();
            let nothing = Tally { end: next_offset, applied: 0, dead_letters: 0, bad_in_row };
            self.calls.commit(subject, next_offset, &nothing).await?
        } else {
            return Ok(None);
        };
        let epoch = Some(owner.epoch());
        Ok(match outcome {
            BatchOutcome::Fenced(epoch) => {
                Some(StoredPosition { epoch: epoch.parse().ok(), next_offset: Some(next_offset) })
            }
            BatchOutcome::OffsetGap(next_offset) => Some(StoredPosition { epoch, next_offset }),
            _ => None,
        })
    }
}
