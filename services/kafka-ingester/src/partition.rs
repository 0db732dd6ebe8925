//! One partition, from its queue to Redis: claim it, go where Redis stands, then batch after batch.
//!
//! While Redis applies a batch, the next is decoded. Nothing is read that has no place: what waits, waits in librdkafka's
//! bounded queue.

use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chassis::Gate;
use rdkafka::Message;
use rdkafka::consumer::base_consumer::PartitionQueue;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use crate::batch::Batch;
use crate::kafka::{self, Consumer, Events, Start};
use crate::metrics::Metrics;
use crate::owned::Progress;
use crate::record::Policy;
use crate::store::{Counts, Outcome, Store, TopicPartition};
use crate::topics::{self, TopicIds};

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

    /// Becomes the owner in Redis, and goes to Redis's offset, which it returns.
    async fn claim(&mut self) -> Result<i64, End> {
        self.topic_id = topics::id_of(&self.shared.consumer, &self.at.topic).await.map_err(End::Failed)?;
        let claim =
            self.unless_stopped(self.shared.store.claim(&self.at, self.epoch, &self.topic_id)).await?;
        let claim = claim.map_err(End::Failed)?;
        self.epoch = claim.epoch;
        self.counts = claim.counts;
        let (consumer, at) = (Arc::clone(&self.shared.consumer), self.at.clone());
        let locate = move || kafka::locate(&consumer, &at, claim.next, claim.recreated);
        let located =
            blocking(locate).await.map_err(|error| End::Failed(error.context("find where to begin")))?;
        let start = match (located, claim.next) {
            (Start::Stored, Some(stored)) => stored,
            (Start::Beyond(low, high), _) if self.beyond >= BEYOND_PATIENCE => {
                warn!(partition = %self.at, "{} ends at {high}: it is another log, and read from its start", self.at);
                self.begin(low).await?
            }
            (Start::Beyond(_, high), stored) => {
                self.beyond += 1;
                let stored = stored.unwrap_or_default();
                return Err(End::Failed(anyhow::anyhow!(
                    "the log ends at {high}, before redis's offset {stored}"
                )));
            }
            (Start::At(offset, gone), _) => {
                if gone > 0 {
                    self.shared.metrics.lost.inc_by(gone);
                    error!(partition = %self.at, "kafka deleted {gone} messages of {} before they were read", self.at);
                }
                self.begin(offset).await?
            }
            (Start::Stored, None) => return Err(End::Rewind("the offset is gone".to_owned())),
        };
        self.beyond = 0;
        let (consumer, at) = (Arc::clone(&self.shared.consumer), self.at.clone());
        blocking(move || kafka::seek(&consumer, &at, start)).await.map_err(End::Failed)?;
        if self.stop.is_cancelled() {
            return Err(End::Stopped);
        }
        self.progress.set(start);
        info!(partition = %self.at, epoch = self.epoch, "reading {} from offset {start}", self.at);
        Ok(start)
    }

    async fn begin(&self, offset: i64) -> Result<i64, End> {
        match self.unless_stopped(self.shared.store.begin(&self.at, self.epoch, offset)).await? {
            Ok(true) => Ok(offset),
            Ok(false) => Err(End::Taken("newer".to_owned())),
            Err(error) => Err(End::Failed(error.into())),
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

    /// Applies a batch whose first offset may be `start`, and does not give up.
    async fn apply(&self, batch: &mut Batch, start: i64, next: i64) -> Result<Counts, End> {
        self.same_topic()?;
        let metrics = &self.shared.metrics;
        metrics.batch_messages.observe(batch.len() as f64);
        let mut from = start;
        loop {
            self.memory().await?;
            let begun = Instant::now();
            let outcome = self
                .unless_stopped(self.shared.store.apply(&self.at, self.epoch, (start, next), from, batch))
                .await?;
            let label = match &outcome {
                Ok(outcome) => outcome.label(),
                Err(_) => "unanswered",
            };
            metrics.batch_seconds.with_label_values(&[label]).observe(begun.elapsed().as_secs_f64());
            match outcome {
                Ok(Outcome::Done(counts)) => {
                    self.shared.writing.open();
                    // Redis was slow, or a reconnect went on behind this call.
                    if begun.elapsed() >= SLOW {
                        metrics.paused_seconds.inc_by(begun.elapsed().as_secs_f64());
                    }
                    return Ok(counts);
                }
                Ok(Outcome::Refused(offset, why, _)) => {
                    debug!("redis refused {} offset {offset}: {why}", self.at);
                    batch.refuse(offset, &format!("redis: {why}"));
                    from = offset;
                }
                Ok(Outcome::Hole(stored)) => {
                    return Err(End::Rewind(format!("redis knew {start}, and knows {stored}")));
                }
                Ok(Outcome::Fenced(owner)) => {
                    let newer = owner.parse::<i64>().is_ok_and(|epoch| epoch > self.epoch);
                    return Err(if newer {
                        End::Taken(owner)
                    } else {
                        End::Rewind("redis forgot who owns it".to_owned())
                    });
                }
                Ok(Outcome::Later(why, _)) => {
                    self.shared.writing.close(why);
                    self.pause(begun, LATER_PAUSE).await?;
                }
                // It may have been applied: the same again changes nothing then.
                Err(error) => {
                    debug!("apply a batch of {}: {error:#}", self.at);
                    self.pause(begun, UNANSWERED_PAUSE).await?;
                }
            }
        }
    }

    async fn memory(&self) -> Result<(), End> {
        if self.shared.memory.borrow().is_ok() {
            return Ok(());
        }
        let (begun, mut memory) = (Instant::now(), self.shared.memory.clone());
        let room = async { memory.wait_for(Result::is_ok).await.map(drop) };
        // Its sender lives as long as the process works.
        let waited = self.unless_stopped(room).await.map(drop);
        self.shared.metrics.paused_seconds.inc_by(begun.elapsed().as_secs_f64());
        waited
    }

    async fn pause(&self, begun: Instant, pause: Duration) -> Result<(), End> {
        let paused = self.unless_stopped(tokio::time::sleep(pause)).await;
        self.shared.metrics.paused_seconds.inc_by(begun.elapsed().as_secs_f64());
        paused
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

async fn blocking<T: Send + 'static, E: Into<anyhow::Error> + Send + 'static>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> anyhow::Result<T> {
    tokio::task::spawn_blocking(work).await?.map_err(Into::into)
}

/// Bytes of keys and values after which a batch is full.
const BATCH_BYTES: usize = 1 << 20;
const SLOW: Duration = Duration::from_millis(250);
const IDLE_CHECK: Duration = Duration::from_secs(2);
const REWIND_PAUSE: Duration = Duration::from_millis(100);
const TAKEN_PAUSE: Duration = Duration::from_secs(3);
const FAILED_PAUSE: Duration = Duration::from_secs(1);
const LATER_PAUSE: Duration = Duration::from_millis(500);
const UNANSWERED_PAUSE: Duration = Duration::from_millis(50);
/// A broker that was just restarted may show a shorter log for a moment.
const BEYOND_PATIENCE: u32 = 5;
