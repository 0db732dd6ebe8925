//! The consumer: creating it, taking up partitions, seeking.

use std::time::Duration;

use anyhow::Context;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer as _, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::{Offset, TopicPartitionList};

use super::event_handler::EventHandler;
use crate::topic_partition::TopicPartition;

/// Our consumer. Messages come through a queue for each partition; polling the consumer itself serves
/// everything else.
pub(crate) type Consumer = BaseConsumer<EventHandler>;

/// Creates the consumer. It connects in the background.
///
/// # Errors
/// If the properties do not go together, such as a SASL mechanism that is not built in.
pub(crate) fn create_consumer(
    mut config: ClientConfig,
    event_handler: EventHandler,
) -> KafkaResult<Consumer> {
    // Needed at every LOG_LEVEL: only from this level on does librdkafka say why a broker closed a
    // connection, and `/ready` shows that reason.
    let level = if config.get("debug").is_some() { RDKafkaLogLevel::Debug } else { RDKafkaLogLevel::Info };
    config.set_log_level(level).create_with_context(event_handler)
}

/// Takes up partitions that the group assigned to us. No message is fetched before [`seek`].
pub(crate) fn assign(consumer: &Consumer, partitions: &mut TopicPartitionList) -> KafkaResult<()> {
    partitions.set_all_offsets(Offset::End)?;
    match consumer.rebalance_protocol() {
        RebalanceProtocol::Cooperative => consumer.incremental_assign(partitions),
        _ => consumer.assign(partitions),
    }
}

/// Moves the consumer to an offset, and drops what was fetched ahead from elsewhere. Blocks.
pub(crate) fn seek(consumer: &Consumer, partition: &TopicPartition, offset: i64) -> anyhow::Result<()> {
    let try_seek =
        || consumer.seek(&partition.topic, partition.partition, Offset::Offset(offset), SEEK_TIMEOUT);
    let mut result = try_seek();
    for _ in 0..SEEK_RETRIES {
        match result {
            Ok(()) => return Ok(()),
            // The partition was assigned only now, and librdkafka has not taken it up yet.
            Err(KafkaError::Seek(_)) => {
                std::thread::sleep(SEEK_RETRY_INTERVAL);
                result = try_seek();
            }
            Err(_) => break,
        }
    }
    result.with_context(|| format!("seek {partition} to {offset}"))
}

const SEEK_TIMEOUT: Duration = Duration::from_secs(10);
const SEEK_RETRY_INTERVAL: Duration = Duration::from_millis(20);
const SEEK_RETRIES: u32 = 250;
