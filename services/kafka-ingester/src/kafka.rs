//! The consumer: its properties, and where a partition begins.

mod brokers;
mod events;

use std::time::Duration;

use anyhow::Context;
use chassis::settings::SettingError;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::{Offset, TopicPartitionList};
use tracing::debug;

use crate::config::KafkaConfig;
use crate::store::TopicPartition;

pub(crate) use brokers::Brokers;
pub(crate) use events::Events;

/// Our consumer. Messages are read from a queue of each partition, all else from the consumer's own.
pub(crate) type Consumer = BaseConsumer<Events>;

/// The properties of the consumer, checked.
///
/// # Errors
/// Names the variable of a property that librdkafka does not know, or that is not the user's to set.
pub(crate) fn properties(kafka: &KafkaConfig) -> Result<ClientConfig, SettingError> {
    let mut properties = ClientConfig::new();
    for (name, value) in [
        // Heartbeats are sent by librdkafka; these are about how soon a topic that is created is seen.
        ("topic.metadata.refresh.interval.ms", "10000"),
        // A partition's queue is bounded for itself, and asks for more as soon as there is room.
        ("queued.min.messages", "10000"),
        ("queued.max.messages.kbytes", "8192"),
        ("fetch.max.bytes", "16777216"),
        ("fetch.queue.backoff.ms", "10"),
        // A fetch that waits at the broker holds up all other requests to it, such as those of a rebalance.
        ("fetch.wait.max.ms", "100"),
        ("statistics.interval.ms", "1000"),
        ("socket.nagle.disable", "true"),
    ] {
        properties.set(name, value);
    }
    let is_next_generation =
        kafka.properties().any(|(property, value)| property.name == "group.protocol" && value == "consumer");
    if !is_next_generation {
        properties.set("partition.assignment.strategy", "cooperative-sticky");
    }
    for (property, value) in kafka.properties() {
        if OURS.contains(&property.name.as_str()) {
            return Err(SettingError::new(
                property.variable,
                format!("must not be set: {} is the service's own", property.name),
            ));
        }
        properties.set(&property.name, value);
        if let Err(error) = properties.create_native_config() {
            return Err(SettingError::new(
                property.variable,
                format!("must be a property of librdkafka and its value: {}", detail(&error)),
            ));
        }
    }
    properties.set("bootstrap.servers", kafka.broker()).set("group.id", kafka.group());
    // The offset that counts is Redis's. Kafka's is committed for tools that show the lag.
    properties.set("enable.auto.commit", "false").set("enable.auto.offset.store", "false");
    // A reset to the log's start is noticed by the partition, which then asks Redis again.
    properties.set("auto.offset.reset", "earliest").set("enable.partition.eof", "false");
    Ok(properties)
}

/// Checks what can be checked without a broker.
pub(crate) fn check(kafka: &KafkaConfig) -> Result<(), SettingError> {
    properties(kafka).map(drop)
}

/// The consumer itself.
///
/// # Errors
/// When the properties do not go together, such as a mechanism of SASL that is not built in.
pub(crate) fn consumer(mut properties: ClientConfig, events: Events) -> KafkaResult<Consumer> {
    // Whatever this process logs: from this level on librdkafka says why a broker closed a connection, for `/ready`.
    let level =
        if properties.get("debug").is_some() { RDKafkaLogLevel::Debug } else { RDKafkaLogLevel::Info };
    properties.set_log_level(level).create_with_context(events)
}

/// Takes up partitions that the group gave us. They stand still until [`seek`].
pub(crate) fn assign(consumer: &Consumer, partitions: &mut TopicPartitionList) -> KafkaResult<()> {
    partitions.set_all_offsets(Offset::End)?;
    match consumer.rebalance_protocol() {
        RebalanceProtocol::Cooperative => consumer.incremental_assign(partitions),
        _ => consumer.assign(partitions),
    }
}

/// Where to begin a partition.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// At Redis's own offset.
    Stored,
    /// Somewhere else, which Redis must be told; so many messages are gone from Kafka.
    At(i64, u64),
    /// Redis's offset is beyond the log's end, which is here.
    Beyond(i64, i64),
}

/// Finds where to begin: Redis's offset, then the group's, then the earliest. Blocks.
///
/// An offset that this service committed does not count without Redis's: Redis was emptied, and is to be filled again.
pub(crate) fn locate(
    consumer: &Consumer,
    at: &TopicPartition,
    stored: Option<i64>,
    recreated: bool,
) -> KafkaResult<Start> {
    let (low, high) = consumer.fetch_watermarks(&at.topic, at.partition, REQUEST_TIMEOUT)?;
    if let Some(stored) = stored {
        return Ok(match stored {
            _ if stored < low => Start::At(low, low.abs_diff(stored)),
            _ if stored > high => Start::Beyond(low, high),
            _ => Start::Stored,
        });
    }
    if recreated {
        return Ok(Start::At(low, 0));
    }
    let mut list = TopicPartitionList::new();
    list.add_partition(&at.topic, at.partition);
    let committed = consumer.committed_offsets(list, REQUEST_TIMEOUT)?;
    let of_another =
        committed.find_partition(&at.topic, at.partition).and_then(|element| match element.offset() {
            Offset::Offset(offset) if element.metadata() != COMMIT_MARK => Some(offset),
            _ => None,
        });
    Ok(match of_another {
        Some(offset) if (low..=high).contains(&offset) => Start::At(offset, 0),
        _ => Start::At(low, 0),
    })
}

/// Goes to an offset; what was read ahead from elsewhere is dropped. Blocks.
pub(crate) fn seek(consumer: &Consumer, at: &TopicPartition, offset: i64) -> anyhow::Result<()> {
    let seek = || consumer.seek(&at.topic, at.partition, Offset::Offset(offset), REQUEST_TIMEOUT);
    let mut done = seek();
    for _ in 0..SEEK_ATTEMPTS {
        match done {
            Ok(()) => return Ok(()),
            // Just assigned: librdkafka is not there yet.
            Err(KafkaError::Seek(_)) => {
                std::thread::sleep(SEEK_INTERVAL);
                done = seek();
            }
            Err(_) => break,
        }
    }
    done.with_context(|| format!("seek {at} to {offset}"))
}

/// Commits offsets for Kafka's lag tools; nothing rests on it.
pub(crate) fn commit(consumer: &Consumer, offsets: &[(TopicPartition, i64)], mode: CommitMode) {
    let list = || {
        let mut list = TopicPartitionList::new();
        for (at, next) in offsets {
            let mut element = list.add_partition(&at.topic, at.partition);
            element.set_offset(Offset::Offset(*next))?;
            element.set_metadata(COMMIT_MARK);
        }
        consumer.commit(&list, mode)
    };
    if let Err(error) = if offsets.is_empty() { Ok(()) } else { list() } {
        debug!("commit offsets for lag tools: {error}");
    }
}

/// The partitions of a list.
pub(crate) fn all(partitions: &TopicPartitionList) -> Vec<TopicPartition> {
    let element = |(topic, partition)| TopicPartition { topic, partition };
    partitions.to_topic_map().into_keys().map(element).collect()
}

/// For logs: `a/0, a/1`.
pub(crate) fn list(partitions: &[TopicPartition]) -> String {
    let mut names: Vec<String> = partitions.iter().map(ToString::to_string).collect();
    names.sort();
    names.join(", ")
}

fn detail(error: &KafkaError) -> String {
    match error {
        KafkaError::ClientConfig(_, description, ..) => description.clone(),
        other => other.to_string(),
    }
}

/// Properties that the guarantees rest on, or that have variables of their own.
const OURS: [&str; 8] = [
    "bootstrap.servers",
    "metadata.broker.list",
    "group.id",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "auto.offset.reset",
    "enable.partition.eof",
    "auto.commit.enable",
];
/// Metadata of the offsets that this service commits: Redis's own offset stood behind them.
const COMMIT_MARK: &str = "backplane";
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
const SEEK_INTERVAL: Duration = Duration::from_millis(20);
const SEEK_ATTEMPTS: u32 = 250;
