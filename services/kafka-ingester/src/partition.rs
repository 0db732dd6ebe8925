//! The task of one partition, from its queue to Redis: claim the partition, seek to Redis's offset, then
//! apply batch after batch.
//!
//! While Redis applies a batch, the task decodes the next one. It takes no more than that from the queue: all
//! other messages wait in librdkafka's bounded queue.

mod apply;
mod claim;
mod context;
mod gate;
mod interruption;
mod load_schema;
mod ownership;

use std::convert::Infallible;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use chassis::traces::TraceParent;
use rdkafka::Message;
use rdkafka::consumer::base_consumer::PartitionQueue;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::assignments::Progress;
use crate::batch::Batch;
use crate::kafka::{EventHandler, record_of};
use crate::message::{Policy, Record, SchemaId};
use crate::store::StoreFailure;
use crate::topic_partition::TopicPartition;
use crate::trace;
use apply::apply;
use claim::claim;
use interruption::Interruption;
use load_schema::load_schema;
use ownership::Ownership;

pub(crate) use context::IngestContext;
pub(crate) use gate::PartitionGate;

/// The task of one partition.
pub(crate) struct PartitionTask {
    ownership: Ownership,
    queue: PartitionQueue<EventHandler>,
    queue_filled: Arc<Notify>,
    progress: Progress,
}

impl PartitionTask {
    /// A task that reads the messages of `partition` from `queue`.
    pub(crate) fn new(
        partition: TopicPartition,
        policy: Arc<Policy>,
        context: Arc<IngestContext>,
        mut queue: PartitionQueue<EventHandler>,
        stop: CancellationToken,
        progress: Progress,
    ) -> Self {
        let queue_filled = Arc::new(Notify::new());
        let waker = Arc::clone(&queue_filled);
        queue.set_nonempty_callback(move || waker.notify_one());
        Self { ownership: Ownership::new(partition, policy, context, stop), queue, queue_filled, progress }
    }

    /// Ingests until stopped. `previous` is the task that read from the same queue before.
    pub(crate) async fn run(mut self, previous: Option<JoinHandle<()>>) {
        if let Some(previous) = previous {
            // Its result does not matter: it no longer reads.
            let _ = previous.await;
        }
        loop {
            let Err(interruption) = self.ingest().await;
            let Some(pause) = self.report(interruption) else { break };
            if self.ownership.run_until_stopped(tokio::time::sleep(pause)).await.is_err() {
                break;
            }
        }
        let Ownership { context, partition, .. } = &self.ownership;
        context.writing_gate.open(partition);
        context.bad_messages_gate.open(partition);
        context.registry_gate.open(partition);
    }

    /// Logs and counts an interruption. Returns the pause after it, or `None` if the task was stopped.
    fn report(&mut self, interruption: Interruption) -> Option<Duration> {
        let Ownership { partition, context, .. } = &self.ownership;
        let metrics = &context.metrics;
        match interruption {
            Interruption::Stopped => None,
            Interruption::SchemaLoaded => Some(Duration::ZERO),
            Interruption::Rewind(reason) => {
                metrics.rewinds.inc();
                warn!(%partition, "reading {partition} again from the offset in redis: {reason}");
                Some(REWIND_PAUSE)
            }
            Interruption::Fenced(owner) => {
                metrics.fenced.inc();
                warn!(%partition, "another instance claimed {partition} (epoch {owner})");
                // A shard of a Cluster may know an owner that the partition's offset does not know any more.
                self.ownership.owner.exceed(owner.parse().unwrap_or_default());
                Some(FENCED_PAUSE)
            }
            Interruption::Failed(reason) => {
                warn!(%partition, "cannot read {partition} now: {reason:#}");
                Some(FAILED_PAUSE)
            }
            // The gate `redis` is closed.
            Interruption::Store(StoreFailure::Unanswered(reason)) => {
                debug!(%partition, "claim {partition}: {reason}");
                Some(FAILED_PAUSE)
            }
            Interruption::Store(StoreFailure::Refused(reason)) => {
                context.writing_gate.close(partition, reason);
                Some(FAILED_PAUSE)
            }
            Interruption::AllBad(reason, counts) => {
                context.bad_messages_gate.close(partition, reason);
                self.ownership.update_counters(counts);
                Some(ALL_BAD_PAUSE)
            }
        }
    }

    async fn ingest(&mut self) -> Result<Infallible, Interruption> {
        let mut start = claim(&mut self.ownership).await?;
        self.progress.set(start);
        let (mut batch, mut next_batch) = (Batch::default(), Batch::default());
        let mut position = Position { next_offset: start, missing_schema: None };
        loop {
            self.fill(&mut batch, &mut position)?;
            if let Some(id) = position.missing_schema.filter(|_| batch.is_empty()) {
                load_schema(&self.ownership, id).await?;
                return Err(Interruption::SchemaLoaded);
            }
            if batch.is_empty() {
                self.ownership.context.writing_gate.open(&self.ownership.partition);
                self.wait_for_messages(start).await?;
                continue;
            }
            let end = position.next_offset;
            let applying = apply(&self.ownership, &mut batch, start..end);
            // `join!` polls them in this order: the next batch is filled as soon as this one waits for Redis.
            let (applied, filled) =
                tokio::join!(applying, async { self.fill(&mut next_batch, &mut position) });
            self.ownership.update_counters(applied?);
            self.progress.set(end);
            filled?;
            start = end;
            batch.clear();
            mem::swap(&mut batch, &mut next_batch);
        }
    }

    /// Takes messages from the queue until it is empty, the batch is full or a schema is missing.
    fn fill(&self, batch: &mut Batch, position: &mut Position) -> Result<(), Interruption> {
        let context = &self.ownership.context;
        while batch.len() < context.batch_max
            && batch.raw_bytes() < MAX_BATCH_BYTES
            && position.missing_schema.is_none()
        {
            match self.queue.poll(Duration::ZERO) {
                None => break,
                Some(Ok(message)) if message.offset() < position.next_offset => {
                    return Err(Interruption::Rewind(format!(
                        "offset {} came again after {}",
                        message.offset(),
                        position.next_offset
                    )));
                }
                Some(Ok(message)) => {
                    let policy = &self.ownership.policy;
                    let span = trace::span_of(&message);
                    let traceparent = span.as_ref().and_then(TraceParent::of).map(|span| span.to_string());
                    let record = Record { traceparent, ..record_of(&message, policy) };
                    match batch.push(policy, context.registry.schemas(), message.offset(), &record) {
                        Ok(()) => {
                            position.next_offset = message.offset() + 1;
                            batch.keep_spans(span);
                        }
                        Err(id) => position.missing_schema = Some(id),
                    }
                }
                // librdkafka tries again by itself.
                Some(Err(error)) => debug!("read {}: {error}", self.ownership.partition),
            }
        }
        Ok(())
    }

    /// Waits for messages. If none comes for a while, checks that Redis still has the offset and the owner
    /// that it had.
    async fn wait_for_messages(&self, start: i64) -> Result<(), Interruption> {
        let ownership = &self.ownership;
        let filled = tokio::time::timeout(IDLE_CHECK_INTERVAL, self.queue_filled.notified());
        if ownership.run_until_stopped(filled).await?.is_ok() {
            return Ok(());
        }
        ownership.check_topic_id()?;
        let Ownership { context, partition, owner, policy, .. } = ownership;
        let position = context.store.position(partition, owner, policy);
        let stored = match ownership.run_until_stopped(position).await? {
            Ok(stored) => stored,
            // The next batch waits.
            Err(StoreFailure::Unanswered(_)) => return Ok(()),
            Err(refused) => return Err(refused.into()),
        };
        match (stored.epoch, stored.next_offset) {
            (Some(epoch), Some(offset)) if (epoch, offset) == (owner.epoch(), start) => Ok(()),
            (Some(epoch), _) if epoch > owner.epoch() => Err(Interruption::Fenced(epoch.to_string())),
            (_, offset) => Err(Interruption::offset_changed(start, offset)),
        }
    }
}

/// How far a task has read.
struct Position {
    /// The offset after the last message that is in a batch.
    next_offset: i64,
    /// The schema that the message after it needs. It must be loaded, and that message read again.
    missing_schema: Option<SchemaId>,
}

/// A batch is full when its Kafka keys and values have this many bytes.
const MAX_BATCH_BYTES: usize = 1 << 20;
const IDLE_CHECK_INTERVAL: Duration = Duration::from_secs(2);
const REWIND_PAUSE: Duration = Duration::from_millis(100);
const FENCED_PAUSE: Duration = Duration::from_secs(3);
const FAILED_PAUSE: Duration = Duration::from_secs(1);
/// The messages of a partition that was stopped are read again after this time: what Redis refused may be right by then.
const ALL_BAD_PAUSE: Duration = Duration::from_secs(5);
