//! What the tasks of all partitions share.

use std::sync::Arc;

use chassis::Gate;
use redis_core::State;
use tokio::sync::watch;

use super::gate::PartitionGate;
use crate::bad_message_log::BadMessageLog;
use crate::kafka::Consumer;
use crate::mappings::Mappings;
use crate::metrics::Metrics;
use crate::schema_registry::SchemaRegistry;
use crate::store::PartitionStore;
use crate::topic_monitor::TopicIds;

/// What the tasks of all partitions share.
pub(crate) struct IngestContext {
    pub(crate) consumer: Arc<Consumer>,
    pub(crate) store: PartitionStore,
    pub(crate) mappings: Arc<Mappings>,
    pub(crate) registry: Arc<SchemaRegistry>,
    pub(crate) metrics: Metrics,
    /// Most messages in a batch.
    pub(crate) batch_max: usize,
    /// The ids of the topics, as last seen.
    pub(crate) topic_ids: watch::Receiver<TopicIds>,
    /// Whether Redis has memory for more messages.
    pub(crate) memory: watch::Receiver<State>,
    /// The group's protocol is that of KIP-848: the broker assigns the partitions.
    pub(crate) has_broker_protocol: bool,
    /// Closed while the group does not take this instance in.
    pub(crate) group_gate: Gate,
    /// Closed while Redis refuses writes.
    pub(crate) writing_gate: PartitionGate,
    /// Closed while a partition stands still because all of its last messages were bad.
    pub(crate) bad_messages_gate: PartitionGate,
    /// Closed while a schema cannot be loaded.
    pub(crate) registry_gate: PartitionGate,
    /// Tells the operator of bad messages.
    pub(crate) bad_message_log: BadMessageLog,
}
