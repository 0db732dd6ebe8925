//! One partition, from its queue to Redis: claim it, go where Redis stands, then batch after batch.
//!
//! While Redis applies a batch, the next is decoded. Nothing is read that has no place: what waits, waits in librdkafka's
//! bounded queue.

mod apply;
mod claim;

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use chassis::Gate;
use rdkafka::Message;
use rdkafka::consumer::base_consumer::PartitionQueue;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::batch::Batch;
use crate::kafka::{Consumer, Events};
use crate::metrics::Metrics;
use crate::owned::Progress;
use crate::record::Policy;
use crate::store::{Counts, Store, TopicPartition};
use crate::topics::TopicIds;

/// What all partitions share.
pub(crate) struct Shared {
    pub(crate) consumer: Arc<Consumer>,
    pub(crate) store: Store,
    pub(crate) policy: Policy,
    pub(crate) metrics: Metrics,
    pub(crate) batch_max: usize,
    /// The topics' ids as last seen.
    pub(crate) topic_ids: watch::Receiver<TopicIds>,
    /// Whether Redis has memory for more.
    pub(crate) memory: watch::Receiver<Result<(), String>>,
    /// Closed while Redis refuses to write.
    pub(crate) writing: Gate,
}

/// The task of one partition.
pub(crate) struct Partition {
    at: TopicPartition,
    shared: Arc<Shared>,
    queue: PartitionQueue<Events>,
    arrived: Arc<Notify>,
    stop: CancellationToken,
    progress: Progress,
    epoch: i64,
    topic_id: String,
    counts: Counts,
    /// Claims in a row that found the log to end before Redis's offset.
    beyond: u32,
}

/// Why a partition is no longer read from where it was.
enum End {
    /// It was taken from this instance, or the process stops.
    Stopped,
    /// Redis knows less than it did, or the log is another: claim again at once.
    Rewind(String),
    /// Another instance claimed it; it is claimed again only if it stays assigned to this one.
    Taken(String),
    /// Kafka or Redis did not answer.
    Failed(anyhow::Error),
}

impl Partition {
    /// A partition whose messages come through `queue`.
    pub(crate) fn new(
        at: TopicPartition,
        shared: Arc<Shared>,
        mut queue: PartitionQueue<Events>,
        stop: CancellationToken,
        progress: Progress,
    ) -> Self {
        let arrived = Arc::new(Notify::new());
        let waker = Arc::clone(&arrived);
        queue.set_nonempty_callback(move || waker.notify_one());
        let (topic_id, counts) = (String::new(), Counts::default());
        Self { at, shared, queue, arrived, stop, progress, epoch: 0, topic_id, counts, beyond: 0 }
    }

    /// Ingests until stopped. `before` is the task that read from the same queue until now.
    pub(crate) async fn run(mut self, before: Option<JoinHandle<()>>) {
        if let Some(before) = before {
            // However it ended: it reads no more.
            let _ = before.await;
        }
        loop {
            let Err(end) = self.ingest().await;
            let pause = match end {
                End::Stopped => return,
                End::Rewind(reason) => {
                    self.shared.metrics.rewinds.inc();
                    warn!(partition = %self.at, "reading {} again from redis's offset: {reason}", self.at);
                    REWIND_PAUSE
                }
                End::Taken(owner) => {
                    self.shared.metrics.fenced.inc();
                    warn!(partition = %self.at, "{} was claimed by another instance (epoch {owner})", self.at);
                    TAKEN_PAUSE
                }
                End::Failed(reason) => {
                    warn!(partition = %self.at, "cannot read {} now: {reason:#}", self.at);
                    FAILED_PAUSE
                }
            };
            if self.unless_stopped(tokio::time::sleep(pause)).await.is_err() {
                return;
            }
        }
    }

    async fn ingest(&mut self) -> Result<std::convert::Infallible, End> {
        let mut start = self.claim().await?;
        let (mut batch, mut following) = (Batch::default(), Batch::default());
        let mut read = start;
        loop {
            self.fill(&mut batch, &mut read)?;
            if batch.is_empty() {
                self.idle(start).await?;
                continue;
            }
            let next = read;
            let applied = self.apply(&mut batch, start, next);
            // The second is polled when the first waits for Redis.
            let (applied, filled) = tokio::join!(applied, async { self.fill(&mut following, &mut read) });
            self.count(applied?);
            self.progress.set(next);
            filled?;
            start = next;
            batch.clear();
            mem::swap(&mut batch, &mut following);
        }
    }

    /// Takes what has arrived, as far as the batch has room. `read` is the offset after the last message taken.
    fn fill(&self, batch: &mut Batch, read: &mut i64) -> Result<(), End> {
        while batch.len() < self.shared.batch_max && batch.bytes() < BATCH_BYTES {
            match self.queue.poll(Duration::ZERO) {
                None => break,
                Some(Ok(message)) if message.offset() < *read => {
                    return Err(End::Rewind(format!("offset {} came again after {read}", message.offset())));
                }
                Some(Ok(message)) => {
                    batch.push(&self.shared.policy, message.offset(), message.key(), message.payload());
                    *read = message.offset() + 1;
                }
                // librdkafka tries again by itself.
                Some(Err(error)) => debug!("read {}: {error}", self.at),
            }
        }
        Ok(())
    }

    /// Waits for messages. Looks now and then whether Redis still knows what it knew.
    async fn idle(&self, start: i64) -> Result<(), End> {
        let arrived = tokio::time::timeout(IDLE_CHECK, self.arrived.notified());
        if self.unless_stopped(arrived).await?.is_ok() {
            return Ok(());
        }
        self.same_topic()?;
        match self.unless_stopped(self.shared.store.position(&self.at)).await? {
            Ok((Some(epoch), Some(next))) if (epoch, next) == (self.epoch, start) => Ok(()),
            Ok((Some(epoch), _)) if epoch > self.epoch => Err(End::Taken(epoch.to_string())),
            Ok((_, next)) => Err(End::Rewind(format!("redis knew {start}, and knows {next:?}"))),
            // The pool says so, and the next batch waits.
            Err(_) => Ok(()),
        }
    }

    /// A topic that was made again has other messages at the same offsets.
    fn same_topic(&self) -> Result<(), End> {
        match self.shared.topic_ids.borrow().get(&self.at.topic) {
            Some(id) if *id != self.topic_id => {
                Err(End::Rewind("the topic was deleted and made again".to_owned()))
            }
            _ => Ok(()),
        }
    }

    fn count(&mut self, now: Counts) {
        let metrics = &self.shared.metrics;
        metrics.applied.inc_by(now.applied.saturating_sub(self.counts.applied));
        metrics.dead_letters.inc_by(now.dead.saturating_sub(self.counts.dead));
        self.counts = now;
    }

    /// Nothing that is waited for here may leave something behind that acts later on the consumer.
    async fn unless_stopped<T>(&self, waiting: impl Future<Output = T>) -> Result<T, End> {
        self.stop.run_until_cancelled(waiting).await.ok_or(End::Stopped)
    }
}

/// Bytes of keys and values after which a batch is full.
const BATCH_BYTES: usize = 1 << 20;
const IDLE_CHECK: Duration = Duration::from_secs(2);
const REWIND_PAUSE: Duration = Duration::from_millis(100);
const TAKEN_PAUSE: Duration = Duration::from_secs(3);
const FAILED_PAUSE: Duration = Duration::from_secs(1);
