//! The names on a Cluster.

use super::{Key, hash_slot, in_partition, slot_tag};
use crate::Partition;

impl Key<'_> {
    /// What has another name on a Cluster than on one Redis, because it must be in one hash slot with other keys, or must not:
    /// what is in braces decides the slot.
    pub(super) fn on_cluster(&self) -> String {
        match self {
            // All of a partition is in one slot: what a failover loses of its lines, the state of the recording has lost too.
            Key::StatusEpoch { tag } => format!("status-proxy:{{{tag}}}:mark"),
            Key::StatusRecorder { tag } => format!("status-proxy:{{{tag}}}:recorder"),
            Key::StatusRecorded { tag, node } => format!("status-proxy:{{{tag}}}:recorded:{node}"),
            Key::StatusHistory { tag, channel } => format!("status-proxy:{{{tag}}}:history:{channel}"),
            Key::StatusChannels { tag, run } => format!("status-proxy:{{{tag}}}:channels:{run}"),
            Key::Scenario(owner)
            | Key::Playback(owner)
            | Key::TimelinePosts(owner)
            | Key::TimelineTrace(owner) => in_partition(Partition::of(owner.as_str()), self),
            Key::Recording(owner) | Key::RecordingPlayback(owner) | Key::RecordingTrace(owner) => {
                in_partition(Partition::of(owner.as_str()), self)
            }
            Key::Scenarios(partition)
            | Key::Timeline(partition)
            | Key::TimelineMeta(partition)
            | Key::TimelineInstances(partition)
            | Key::TimelinePartitions(partition)
            | Key::TimelineLoops(partition)
            | Key::TimelineDeadLetters(partition)
            | Key::Recordings(partition)
            | Key::RecordingLoops(partition) => in_partition(*partition, self),

            // All of a dataset's jobs are in one slot: a script takes, plans and commits many of them.
            Key::EtlJobs
            | Key::EtlDead
            | Key::EtlGame(_)
            | Key::EtlSettling(_)
            | Key::EtlPart(_)
            | Key::EtlOpenParts
            | Key::EtlReconciler
            | Key::EtlDays
            | Key::EtlCleaning => self.to_string().replacen("etl:", "{etl}:", 1),
            // In the slot of the key, which may have braces of its own.
            Key::KafkaVersion { key } => {
                format!("kafka-ingester:version:{{{}}}:{key}", slot_tag(hash_slot(key)))
            }
            // Those of the partitions are on different shards.
            Key::KafkaOffsets { group, topic, partition } => {
                format!("kafka-ingester:{{{group}:{topic}:{partition}}}:offsets")
            }
            Key::KafkaSlot { group, topic, slot } => {
                format!("kafka-ingester:slot:{{{}}}:{group}:{topic}", slot_tag(*slot))
            }
            Key::KafkaWitness { group, topic, slot } => {
                format!("kafka-ingester:witness:{{{}}}:{group}:{topic}", slot_tag(*slot))
            }
            Key::KafkaDeadOffsets { group, topic, partition } => {
                format!("kafka-ingester:dead:{{{}}}:{group}:{topic}:{partition}", Key::DeadLetters)
            }
            same => same.to_string(),
        }
    }
}
