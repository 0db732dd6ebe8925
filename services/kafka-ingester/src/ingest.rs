//! The poll loop: a thread that serves librdkafka. It never waits for Redis, so the group is never left for Redis's sake.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{CommitMode, Consumer as _};
use rdkafka::error::KafkaError;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use crate::kafka;
use crate::owned::Owned;
use crate::partition::{Partition, Shared};

/// Ingests `topics` until `stopping`, then ends what is under way and leaves the group. Blocks.
///
/// # Errors
/// When librdkafka gives up, which a new process may mend.
pub(crate) fn run(
    shared: &Arc<Shared>,
    owned: &Owned,
    topics: &[String],
    runtime: &Handle,
    stopping: &CancellationToken,
) -> anyhow::Result<()> {
    let consumer = &shared.consumer;
    let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
    consumer.subscribe(&topics).context("subscribe to the topics")?;
    let mut committed = Instant::now();
    while !stopping.is_cancelled() {
        match consumer.poll(POLL) {
            None => {}
            Some(Ok(_)) => bail!("a message came outside of its partition's queue"),
            Some(Err(KafkaError::MessageConsumptionFatal(error))) => bail!("kafka: {error}"),
            // What can heal shows in `/ready`.
            Some(Err(error)) => debug!("kafka: {error}"),
        }
        consumer.client().context().brokers().tell(consumer.client());
        for mut partitions in consumer.client().context().take_assigned() {
            take_up(shared, owned, &mut partitions, runtime)?;
        }
        shared.metrics.partitions.set(i64::try_from(owned.count()).unwrap_or(i64::MAX));
        if committed.elapsed() >= COMMIT_INTERVAL {
            committed = Instant::now();
            kafka::commit(consumer, &owned.to_commit(), CommitMode::Async);
        }
    }
    let applied = runtime.block_on(owned.stop_all());
    // What waits for an answer would wait for a broker that is away.
    kafka::commit(consumer, &applied, CommitMode::Async);
    consumer.close_queue().context("leave the group")?;
    // Its drop would close it again, and wait for that without a limit.
    std::mem::forget(Arc::clone(consumer));
    let deadline = Instant::now() + CLOSE_TIMEOUT;
    while !consumer.closed() && Instant::now() < deadline {
        consumer.poll(POLL);
        if !consumer.client().context().take_assigned().is_empty() {
            consumer.unassign().context("decline partitions")?;
        }
    }
    Ok(())
}

fn take_up(
    shared: &Arc<Shared>,
    owned: &Owned,
    partitions: &mut TopicPartitionList,
    runtime: &Handle,
) -> anyhow::Result<()> {
    let all = kafka::all(partitions);
    info!("partitions given: {}", kafka::list(&all));
    let mut queues = Vec::new();
    for at in all {
        // Before the assignment: from it on, messages go to the queue.
        let queue = shared.consumer.split_partition_queue(&at.topic, at.partition);
        queues.push((queue.with_context(|| format!("split off the queue of {at}"))?, at));
    }
    kafka::assign(&shared.consumer, partitions).context("take up the partitions")?;
    for (queue, at) in queues {
        owned.start(at.clone(), |stop, progress, before| {
            let partition = Partition::new(at, Arc::clone(shared), queue, stop, progress);
            runtime.spawn(partition.run(before))
        });
    }
    Ok(())
}

const POLL: Duration = Duration::from_millis(100);
const COMMIT_INTERVAL: Duration = Duration::from_secs(1);
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
