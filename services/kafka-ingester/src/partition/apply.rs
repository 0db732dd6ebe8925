//! Applying a batch, for as long as that takes.

use std::ops::Range;
use std::time::{Duration, Instant};

use redis_core::error::RETRY_INTERVAL_MS;
use tracing::debug;

use super::interruption::Interruption;
use super::ownership::Ownership;
use crate::batch::Batch;
use crate::store::{BatchOutcome, Counts, StoreFailure};

/// Applies a batch of the offsets in `offsets`, and retries until Redis has done it.
pub(super) async fn apply(
    ownership: &Ownership,
    batch: &mut Batch,
    offsets: Range<i64>,
) -> Result<Counts, Interruption> {
    ownership.check_topic_id()?;
    let (context, partition) = (&ownership.context, &ownership.partition);
    let metrics = &context.metrics;
    metrics.batch_messages.observe(batch.len() as f64);
    // All messages before this offset are applied.
    let mut resume_at = offsets.start;
    loop {
        wait_for_memory(ownership).await?;
        let started = Instant::now();
        let call = context.store.apply(
            partition,
            &ownership.owner,
            offsets.clone(),
            resume_at,
            &ownership.policy,
            batch,
        );
        let outcome = ownership.run_until_stopped(call).await?;
        let label = outcome.as_ref().map_or_else(StoreFailure::label, BatchOutcome::label);
        metrics.batch_seconds.with_label_values(&[label]).observe(started.elapsed().as_secs_f64());
        match outcome {
            Ok(BatchOutcome::Applied(counts)) => {
                context.writing_gate.open(partition);
                context.bad_messages_gate.open(partition);
                context.bad_message_log.add(partition, batch.bad_messages());
                // Redis was slow, or fred reconnected during this call.
                if started.elapsed() >= SLOW_CALL {
                    metrics.paused_seconds.inc_by(started.elapsed().as_secs_f64());
                }
                return Ok(counts);
            }
            Ok(BatchOutcome::Refused(refused)) => {
                resume_at = refused.first().map_or(resume_at, |(offset, _)| *offset);
                for (offset, reason) in refused {
                    debug!("redis refused {partition} offset {offset}: {reason}");
                    batch.make_dead_letter(offset, &format!("redis: {reason}"));
                }
            }
            Ok(BatchOutcome::AllBad(offset, counts)) => {
                context.writing_gate.open(partition);
                return Err(stop_at_bad_message(ownership, batch, offset, counts));
            }
            Ok(BatchOutcome::OffsetGap(stored)) => {
                return Err(Interruption::offset_changed(offsets.start, stored));
            }
            Ok(BatchOutcome::Fenced(owner)) => {
                let has_newer_owner = owner.parse::<i64>().is_ok_and(|epoch| epoch > ownership.owner.epoch());
                return Err(if has_newer_owner {
                    Interruption::Fenced(owner)
                } else {
                    Interruption::Rewind("redis has lost the owner's epoch".to_owned())
                });
            }
            // What was applied is not applied again. The offset does not pass what was not.
            Err(failure) => {
                debug!("apply a batch of {partition}: {failure}");
                if let StoreFailure::Refused(reason) = failure {
                    context.writing_gate.close(partition, reason);
                }
                ownership.pause(started, RETRY_PAUSE).await?;
            }
        }
    }
}

/// All messages before `offset` are done, and all of the last ones were bad.
fn stop_at_bad_message(ownership: &Ownership, batch: &Batch, offset: i64, counts: Counts) -> Interruption {
    let (done, rest): (Vec<_>, Vec<_>) =
        batch.bad_messages().iter().partition(|bad_message| bad_message.offset < offset);
    ownership.context.bad_message_log.add(&ownership.partition, done);
    let reason = rest.into_iter().find(|bad_message| bad_message.offset == offset);
    let reason = reason.map_or("", |bad_message| &bad_message.reason);
    let partition = &ownership.partition;
    let text = format!(
        "{partition} stands still at offset {offset} because all of its last messages were bad, and so is this \
         one ({reason}): if KEY_FIELD or another setting is wrong, correct it and restart; otherwise set \
         BAD_MESSAGES_PAUSE=false"
    );
    Interruption::AllBad(text, counts)
}

/// Waits while Redis has no memory for more messages.
async fn wait_for_memory(ownership: &Ownership) -> Result<(), Interruption> {
    let context = &ownership.context;
    if context.memory.borrow().is_ok() {
        return Ok(());
    }
    let (started, mut memory) = (Instant::now(), context.memory.clone());
    // The memory monitor, which has the sender, runs for as long as the process does: the wait cannot fail.
    let has_memory = async { memory.wait_for(Result::is_ok).await.map(drop) };
    let waited = ownership.run_until_stopped(has_memory).await.map(drop);
    context.metrics.paused_seconds.inc_by(started.elapsed().as_secs_f64());
    waited
}

const SLOW_CALL: Duration = Duration::from_millis(250);
const RETRY_PAUSE: Duration = Duration::from_millis(RETRY_INTERVAL_MS);
