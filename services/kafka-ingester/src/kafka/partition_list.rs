//! rdkafka's lists of partitions, as ours.

use rdkafka::TopicPartitionList;

use crate::topic_partition::TopicPartition;

/// The partitions of a list.
pub(crate) fn partitions_of(list: &TopicPartitionList) -> Vec<TopicPartition> {
    let element = |(topic, partition)| TopicPartition { topic, partition };
    list.to_topic_map().into_keys().map(element).collect()
}

/// For logs: `a/0, a/1`, or `none`.
pub(crate) fn format_partitions(partitions: &[TopicPartition]) -> String {
    let mut names: Vec<String> = partitions.iter().map(ToString::to_string).collect();
    names.sort();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
