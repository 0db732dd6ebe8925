//! The poll loop: the thread that serves librdkafka.
//!
//! It never waits for Redis. So however slow Redis is, this instance keeps its place in the group.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rdkafka::TopicPartitionList;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::KafkaError;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use crate::assignments::Assignments;
use crate::kafka::{Consumer, assign, commit_offsets, format_partitions, group_refusal, partitions_of};
use crate::partition::{IngestContext, PartitionTask};
use crate::topic_monitor::TopicIds;

/// Ingests until `stopping`, then ends what is under way and leaves the group. Blocks.
///
/// # Errors
/// If librdkafka gives up. A restart of the process may help.
pub(crate) fn run(
    context: &Arc<IngestContext>,
    assignments: &Assignments,
    runtime: &Handle,
    stopping: &CancellationToken,
) -> anyhow::Result<()> {
    let consumer = &context.consumer;
    let event_handler = consumer.client().context();
    let mut topic_ids = context.topic_ids.clone();
    topic_ids.mark_changed();
    let (mut subscribed, mut last_commit) = (BTreeSet::new(), Instant::now());
    while !stopping.is_cancelled() {
        if topic_ids.has_changed().unwrap_or_default() {
            subscribe(context, &topic_ids.borrow_and_update(), &mut subscribed)?;
        }
        match consumer.poll(POLL_TIMEOUT) {
            None => {}
            Some(Ok(_)) => bail!("a message came outside of its partition's queue"),
            Some(Err(KafkaError::MessageConsumptionFatal(error))) => bail!("kafka: {error}"),
            // librdkafka recovers from it by itself. If it lasts, `/ready` shows the reason.
            Some(Err(error)) => {
                debug!("kafka: {error}");
                if let Some(reason) = group_refusal(&error) {
                    context.group_gate.close(reason);
                }
            }
        }
        event_handler.bootstrap_brokers().add_brokers_if_forgotten(consumer.client());
        if context.has_broker_protocol {
            report_group(context, event_handler.outside_group_for());
        }
        for mut partitions in event_handler.take_pending_assignments() {
            context.group_gate.open();
            start_partitions(context, assignments, &mut partitions, runtime)?;
        }
        context.metrics.partitions.set(i64::try_from(assignments.len()).unwrap_or(i64::MAX));
        if last_commit.elapsed() >= COMMIT_INTERVAL {
            last_commit = Instant::now();
            commit_offsets(consumer, &assignments.take_offsets_to_commit());
        }
    }
    let next_offsets = runtime.block_on(assignments.stop_all());
    commit_offsets(consumer, &next_offsets);
    leave_group(consumer)
}

/// With KIP-848's protocol librdkafka reports no error if the brokers do not know it.
fn report_group(context: &IngestContext, outside_for: Option<Duration>) {
    match outside_for {
        None => context.group_gate.open(),
        Some(time) if time >= JOIN_TIMEOUT => context.group_gate.close(
            "the brokers do not take this instance into its group: KAFKA_CONF_GROUP_PROTOCOL=consumer needs Kafka 4.0",
        ),
        Some(_) => {}
    }
}

/// Subscribes to the topics that are named, and to those that exist and are in a pattern.
fn subscribe(
    context: &IngestContext,
    existing: &TopicIds,
    subscribed: &mut BTreeSet<String>,
) -> anyhow::Result<()> {
    let topics = context.mappings.topics(existing.keys().map(String::as_str));
    if topics != *subscribed {
        let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
        context.consumer.subscribe(&topics).context("subscribe to the topics")?;
    }
    *subscribed = topics;
    Ok(())
}

/// Starts a task for each of the partitions that the group assigned to us.
fn start_partitions(
    context: &Arc<IngestContext>,
    assignments: &Assignments,
    list: &mut TopicPartitionList,
    runtime: &Handle,
) -> anyhow::Result<()> {
    let partitions = partitions_of(list);
    info!("partitions assigned: {}", format_partitions(&partitions));
    let mut queues = Vec::new();
    for partition in partitions {
        // Before `assign`: from then on messages go to the queue.
        let queue = context.consumer.split_partition_queue(&partition.topic, partition.partition);
        let queue = queue.with_context(|| format!("split off the queue of {partition}"))?;
        let policy = context.mappings.policy_of(&partition.topic);
        let policy = policy.with_context(|| format!("no setting is about {partition}"))?;
        queues.push((partition, Arc::clone(policy), queue));
    }
    assign(&context.consumer, list).context("take up the partitions")?;
    for (partition, policy, queue) in queues {
        assignments.start(partition.clone(), |stop, progress, previous| {
            let task = PartitionTask::new(partition, policy, Arc::clone(context), queue, stop, progress);
            runtime.spawn(task.run(previous))
        });
    }
    Ok(())
}

/// Leaves the group, and waits for that for a limited time: the broker may be away.
fn leave_group(consumer: &Arc<Consumer>) -> anyhow::Result<()> {
    consumer.close_queue().context("leave the group")?;
    // Dropping the consumer would close it a second time and wait for that without a limit. So it is never
    // dropped.
    std::mem::forget(Arc::clone(consumer));
    let deadline = Instant::now() + CLOSE_TIMEOUT;
    while !consumer.closed() && Instant::now() < deadline {
        consumer.poll(POLL_TIMEOUT);
        if !consumer.client().context().take_pending_assignments().is_empty() {
            consumer.unassign().context("decline partitions")?;
        }
    }
    Ok(())
}

const POLL_TIMEOUT: Duration = Duration::from_millis(100);
const COMMIT_INTERVAL: Duration = Duration::from_secs(1);
const JOIN_TIMEOUT: Duration = Duration::from_secs(10);
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
