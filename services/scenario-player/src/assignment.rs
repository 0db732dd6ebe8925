//! What this instance may publish of a lane at the moment.

use std::sync::Arc;
use std::time::Instant;

use crate::lanes::Lane;
use crate::partitions::{ALL_PARTITIONS, NO_PARTITIONS, PartitionSet};

/// The partitions that this instance plays, and until when.
#[derive(Debug, Clone)]
pub(crate) struct Assignment {
    /// The name under which this instance holds its lease. It takes a new one each time the lease was lost.
    pub(crate) instance: Arc<str>,
    /// The partitions whose events it publishes.
    pub(crate) partitions: PartitionSet,
    /// Events due before this time are not published (ms).
    pub(crate) start_ms: i64,
    /// When the lease ends, unless it is renewed. `None`: never.
    pub(crate) valid_until: Option<Instant>,
}

impl Assignment {
    /// All partitions for ever: for the memory backend.
    pub(crate) fn all() -> Self {
        Self { instance: "memory".into(), partitions: ALL_PARTITIONS, start_ms: 0, valid_until: None }
    }

    /// No partition.
    pub(crate) fn none(instance: Arc<str>) -> Self {
        Self { instance, partitions: NO_PARTITIONS, start_ms: 0, valid_until: Some(Instant::now()) }
    }

    /// Whether this instance plays everything in this lane.
    pub(crate) fn has_all_of(&self, lane: Lane) -> bool {
        self.partitions == lane.partition_set()
    }

    /// Whether it holds a lease without a partition: all of them are others'.
    pub(crate) fn is_idle(&self) -> bool {
        self.partitions == NO_PARTITIONS && self.is_valid()
    }

    /// Whether the lease has not ended yet.
    pub(crate) fn is_valid(&self) -> bool {
        self.valid_until.is_none_or(|until| Instant::now() < until)
    }
}
