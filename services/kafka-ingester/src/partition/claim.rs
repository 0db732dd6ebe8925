//! Claiming a partition: becoming its owner in Redis, and seeking to the offset where reading begins.

use std::sync::Arc;

use anyhow::anyhow;
use tracing::{error, info, warn};

use super::interruption::Interruption;
use super::ownership::Ownership;
use crate::kafka::{self, StartPosition};
use crate::store::Claim;

/// Becomes the owner in Redis and seeks to the offset where reading begins, which it returns.
pub(super) async fn claim(ownership: &mut Ownership) -> Result<i64, Interruption> {
    let (context, partition) = (Arc::clone(&ownership.context), ownership.partition.clone());
    ownership.topic_id =
        kafka::fetch_topic_id(&context.consumer, &partition.topic).await.map_err(Interruption::Failed)?;
    let claiming = context.store.claim(&partition, ownership.owner.epoch(), &ownership.topic_id);
    let Claim { owner, next_offset, counts, recreated } = ownership.run_until_stopped(claiming).await??;
    (ownership.owner, ownership.counts) = (owner, counts);
    let start = start_offset(ownership, next_offset, recreated).await?;
    ownership.claims_beyond_end = 0;
    let (consumer, seek_partition) = (Arc::clone(&context.consumer), partition.clone());
    let seek = move || kafka::seek(&consumer, &seek_partition, start);
    run_blocking(seek).await.map_err(Interruption::Failed)?;
    if ownership.stop.is_cancelled() {
        return Err(Interruption::Stopped);
    }
    // A partition that stands still is claimed again and again.
    if ownership.claimed_offset.replace(start) != Some(start) {
        info!(%partition, epoch = ownership.owner.epoch(), "reading {partition} from offset {start}");
    }
    Ok(start)
}

/// The offset where reading begins. It is the one that Redis has, or is stored in Redis here.
async fn start_offset(
    ownership: &mut Ownership,
    stored: Option<i64>,
    recreated: bool,
) -> Result<i64, Interruption> {
    let (consumer, partition) = (Arc::clone(&ownership.context.consumer), ownership.partition.clone());
    let find = move || kafka::find_start_position(&consumer, &partition, stored, recreated);
    let found = run_blocking(find).await;
    let position = found.map_err(|error| Interruption::Failed(error.context("find where to begin")))?;
    let partition = &ownership.partition;
    match (position, stored) {
        (StartPosition::Stored, Some(stored)) => Ok(stored),
        (StartPosition::Stored, None) => Err(Interruption::Rewind("redis has no offset any more".to_owned())),
        (StartPosition::BeyondEnd { low, high }, _)
            if ownership.claims_beyond_end >= MAX_CLAIMS_BEYOND_END =>
        {
            warn!(%partition, "{partition} ends at {high}: it is another log, and is read from its start");
            store_offset(ownership, low).await
        }
        (StartPosition::BeyondEnd { high, .. }, stored) => {
            ownership.claims_beyond_end += 1;
            let stored = stored.unwrap_or_default();
            Err(Interruption::Failed(anyhow!("the log ends at {high}, before the offset {stored} in redis")))
        }
        (StartPosition::Reset { offset, lost }, _) => {
            if lost > 0 {
                ownership.context.metrics.lost.inc_by(lost);
                error!(%partition, "kafka deleted {lost} messages of {partition} before they were read");
            }
            store_offset(ownership, offset).await
        }
    }
}

async fn store_offset(ownership: &Ownership, offset: i64) -> Result<i64, Interruption> {
    let storing = ownership.context.store.set_offset(&ownership.partition, &ownership.owner, offset);
    if ownership.run_until_stopped(storing).await?? {
        Ok(offset)
    } else {
        Err(Interruption::Fenced("newer".to_owned()))
    }
}

async fn run_blocking<T: Send + 'static, E: Into<anyhow::Error> + Send + 'static>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> anyhow::Result<T> {
    tokio::task::spawn_blocking(work).await?.map_err(Into::into)
}

/// After so many claims the log is believed to end before Redis's offset. A broker that was just restarted
/// can show a shorter log for a moment.
const MAX_CLAIMS_BEYOND_END: u32 = 5;
