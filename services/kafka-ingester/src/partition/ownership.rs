//! A task's hold on its partition: what claiming and applying have in common.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::context::IngestContext;
use super::interruption::Interruption;
use crate::message::Policy;
use crate::store::{Counts, Owner};
use crate::topic_partition::TopicPartition;

/// A partition that is assigned to this instance, and what the last claim said about it.
pub(super) struct Ownership {
    pub(super) partition: TopicPartition,
    /// What is done with its messages.
    pub(super) policy: Arc<Policy>,
    pub(super) context: Arc<IngestContext>,
    /// Cancelled when the partition is revoked or the process stops.
    pub(super) stop: CancellationToken,
    /// What the last claim made of this instance.
    pub(super) owner: Owner,
    /// The id of the topic at the last claim; empty if the broker has no ids.
    pub(super) topic_id: String,
    /// The partition's messages of all time, as Redis last counted them.
    pub(super) counts: Counts,
    /// The offset where the last claim began to read.
    pub(super) claimed_offset: Option<i64>,
    /// How many claims in a row found that the log ends before Redis's offset.
    pub(super) claims_beyond_end: u32,
}

impl Ownership {
    pub(super) fn new(
        partition: TopicPartition,
        policy: Arc<Policy>,
        context: Arc<IngestContext>,
        stop: CancellationToken,
    ) -> Self {
        let (topic_id, counts) = (String::new(), Counts::default());
        Self {
            partition,
            policy,
            context,
            stop,
            owner: Owner::default(),
            topic_id,
            counts,
            claimed_offset: None,
            claims_beyond_end: 0,
        }
    }

    /// Adds to the metrics what Redis has counted since the last time.
    pub(super) fn update_counters(&mut self, counts: Counts) {
        let metrics = &self.context.metrics;
        let applied = counts.applied.saturating_sub(self.counts.applied);
        metrics.applied.inc_by(applied);
        let TopicPartition { topic, partition } = &self.partition;
        metrics.partition_applied.with_label_values(&[topic, &partition.to_string()]).inc_by(applied);
        metrics.dead_letters.inc_by(counts.dead_letters.saturating_sub(self.counts.dead_letters));
        self.counts = counts;
    }

    /// Waits for `future`, or until the task is stopped. A future that is dropped half-way must leave nothing
    /// behind that acts on the consumer later: the partition may have a new task by then.
    pub(super) async fn run_until_stopped<T>(
        &self,
        future: impl Future<Output = T>,
    ) -> Result<T, Interruption> {
        self.stop.run_until_cancelled(future).await.ok_or(Interruption::Stopped)
    }

    /// Waits before the next try, and counts the time since `started` as paused.
    pub(super) async fn pause(&self, started: Instant, pause: Duration) -> Result<(), Interruption> {
        let paused = self.run_until_stopped(tokio::time::sleep(pause)).await;
        self.context.metrics.paused_seconds.inc_by(started.elapsed().as_secs_f64());
        paused
    }

    /// Fails if the topic was deleted and created again: the new one has other messages at the same offsets.
    pub(super) fn check_topic_id(&self) -> Result<(), Interruption> {
        match self.context.topic_ids.borrow().get(&self.partition.topic) {
            Some(id) if *id != self.topic_id => {
                Err(Interruption::Rewind("the topic was deleted and created again".to_owned()))
            }
            _ => Ok(()),
        }
    }
}
