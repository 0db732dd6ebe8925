//! Commits of offsets to Kafka, for tools that show the lag. Nothing else depends on them.

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _, ConsumerContext};
use rdkafka::{Offset, TopicPartitionList};
use tracing::debug;

use crate::topic_partition::TopicPartition;

/// The metadata of every offset that this service commits. Such an offset counts only together with the one
/// in Redis.
pub(super) const COMMIT_METADATA: &str = "backplane";

/// Commits the next offset of each partition. It does not wait for the answer: a broker that is away would
/// hold up a stop.
pub(crate) fn commit_offsets<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    next_offsets: &[(TopicPartition, i64)],
) {
    if next_offsets.is_empty() {
        return;
    }
    let commit = || {
        let mut list = TopicPartitionList::new();
        for (partition, next_offset) in next_offsets {
            let mut element = list.add_partition(&partition.topic, partition.partition);
            element.set_offset(Offset::Offset(*next_offset))?;
            element.set_metadata(COMMIT_METADATA);
        }
        consumer.commit(&list, CommitMode::Async)
    };
    if let Err(error) = commit() {
        debug!("commit offsets for lag tools: {error}");
    }
}
