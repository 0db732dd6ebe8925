//! Where to begin reading a partition.

use std::time::Duration;

use rdkafka::consumer::Consumer as _;
use rdkafka::error::KafkaResult;
use rdkafka::{Offset, TopicPartitionList};

use super::commit::COMMIT_METADATA;
use super::consumer::Consumer;
use crate::topic_partition::TopicPartition;

/// Where to begin reading a partition.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum StartPosition {
    /// At the offset that Redis has.
    Stored,
    /// At another offset, which must be stored in Redis first. Kafka has deleted `lost` messages before it.
    Reset { offset: i64, lost: u64 },
    /// Nowhere yet: the offset in Redis is beyond the log's end. The log's low and high watermark.
    BeyondEnd { low: i64, high: i64 },
}

/// Finds where to begin: at the offset in Redis, else at the group's, else at the earliest message. Blocks.
///
/// An offset that this service committed does not count if Redis has none. Then Redis was emptied, and must
/// be filled again from the earliest message.
pub(crate) fn find_start_position(
    consumer: &Consumer,
    partition: &TopicPartition,
    stored: Option<i64>,
    recreated: bool,
) -> KafkaResult<StartPosition> {
    let (low, high) = consumer.fetch_watermarks(&partition.topic, partition.partition, REQUEST_TIMEOUT)?;
    if let Some(stored) = stored {
        return Ok(match stored {
            _ if stored < low => StartPosition::Reset { offset: low, lost: low.abs_diff(stored) },
            _ if stored > high => StartPosition::BeyondEnd { low, high },
            _ => StartPosition::Stored,
        });
    }
    if recreated {
        return Ok(StartPosition::Reset { offset: low, lost: 0 });
    }
    let mut list = TopicPartitionList::new();
    list.add_partition(&partition.topic, partition.partition);
    let committed = consumer.committed_offsets(list, REQUEST_TIMEOUT)?;
    let element = committed.find_partition(&partition.topic, partition.partition);
    let committed_by_another = element.and_then(|element| match element.offset() {
        Offset::Offset(offset) if element.metadata() != COMMIT_METADATA => Some(offset),
        _ => None,
    });
    Ok(match committed_by_another {
        Some(offset) if (low..=high).contains(&offset) => StartPosition::Reset { offset, lost: 0 },
        _ => StartPosition::Reset { offset: low, lost: 0 },
    })
}

const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
