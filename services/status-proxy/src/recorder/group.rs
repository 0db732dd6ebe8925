//! What the recorders of an instance share.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use redis_core::{State, publish_state};
use tokio::sync::watch;
use tracing::info;

use crate::metrics::Metrics;

/// The most bytes of lines that are not yet recorded. Beyond that the recorded history has a gap.
const MAX_BACKLOG_BYTES: usize = 64 * 1024 * 1024;

/// An instance that has just come gets partitions after this time. By then all lines before its first are recorded.
const HANDOVER_DELAY: Duration = Duration::from_secs(1);

/// See [the module](self).
pub(crate) struct RecorderGroup {
    partitions: usize,
    metrics: Metrics,
    /// The bytes of lines in all backlogs.
    backlog_bytes: Arc<AtomicUsize>,
    /// How many partitions this instance records.
    held: AtomicUsize,
    /// How many it should record at most.
    share: AtomicUsize,
    /// When that became less.
    lessened_at: Mutex<Option<Instant>>,
    /// Why the last calls failed, by partition.
    failures: Mutex<BTreeMap<usize, String>>,
    state: watch::Sender<State>,
}

impl RecorderGroup {
    pub(crate) fn new(partitions: usize, metrics: Metrics) -> Self {
        Self {
            partitions,
            metrics,
            backlog_bytes: Arc::default(),
            held: AtomicUsize::new(0),
            // A single one is for whoever comes first. Several are shared out as soon as the instances are counted.
            share: AtomicUsize::new(usize::from(partitions == 1)),
            lessened_at: Mutex::default(),
            failures: Mutex::default(),
            state: watch::Sender::new(Ok(None)),
        }
    }

    /// Whether Redis takes what this instance records.
    pub(crate) fn state(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    /// As many instances record all partitions together, this one included.
    pub(crate) fn set_instances(&self, count: usize) {
        let share = self.partitions.div_ceil(count.max(1));
        if self.share.swap(share, Ordering::Relaxed) > share {
            *self.lessened_at.lock() = Some(Instant::now());
        }
    }

    /// Whether there is only one recorder.
    pub(super) fn is_single(&self) -> bool {
        self.partitions == 1
    }

    /// Whether this instance should take another partition.
    pub(super) fn has_room(&self) -> bool {
        self.held.load(Ordering::Relaxed) < self.share.load(Ordering::Relaxed)
    }

    /// Whether other instances record some of the partitions.
    pub(super) fn is_shared(&self) -> bool {
        self.share.load(Ordering::Relaxed) < self.partitions
    }

    /// Whether a recorder should leave its partition to another instance.
    pub(super) fn has_too_many(&self) -> bool {
        let has_just_lessened = self.lessened_at.lock().is_some_and(|at| at.elapsed() < HANDOVER_DELAY);
        !has_just_lessened && self.held.load(Ordering::Relaxed) > self.share.load(Ordering::Relaxed)
    }

    pub(super) fn count(&self, is_recorder: bool) {
        let before = if is_recorder {
            self.held.fetch_add(1, Ordering::Relaxed)
        } else {
            self.held.fetch_sub(1, Ordering::Relaxed)
        };
        self.metrics.is_recorder.set(self.held.load(Ordering::Relaxed) as i64);
        match (is_recorder, before) {
            (true, 0) => info!("this instance records history"),
            (false, 1) => info!("this instance no longer records history"),
            _ => {}
        }
    }

    pub(super) fn backlog_bytes(&self) -> Arc<AtomicUsize> {
        self.backlog_bytes.clone()
    }

    /// Whether a backlog of so many bytes has to be dropped: all together are too large, and this is not one of the small ones.
    pub(super) fn is_too_large(&self, bytes: usize) -> bool {
        self.backlog_bytes.load(Ordering::Relaxed) > MAX_BACKLOG_BYTES
            && bytes > MAX_BACKLOG_BYTES / self.partitions
    }

    pub(super) fn set_failure(&self, partition: usize, failure: Option<String>) {
        let mut failures = self.failures.lock();
        match failure {
            Some(reason) => drop(failures.insert(partition, reason)),
            None => drop(failures.remove(&partition)),
        }
        publish_state(&self.state, failures.values().next().cloned().map_or(Ok(None), Err));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_partitions_are_shared_out_over_the_instances() {
        let group = RecorderGroup::new(64, Metrics::new(&prometheus::Registry::new()).unwrap());
        assert!(!group.has_room(), "the instances are not counted yet");
        group.set_instances(1);
        (0..64).for_each(|_| group.count(true));
        assert!(!group.has_room() && !group.has_too_many() && !group.is_shared());
        group.set_instances(3);
        assert!(group.is_shared() && !group.has_too_many(), "the others have just come");
        *group.lessened_at.lock() = None;
        let left = std::iter::from_fn(|| group.has_too_many().then(|| group.count(false))).count();
        assert_eq!((left, group.has_room()), (42, false));
        group.set_instances(2);
        assert!(group.has_room());
    }

    #[test]
    fn a_partition_that_fails_is_named_until_it_works_again() {
        let group = RecorderGroup::new(64, Metrics::new(&prometheus::Registry::new()).unwrap());
        let state = group.state();
        group.set_failure(3, Some("away".to_owned()));
        group.set_failure(5, None);
        assert_eq!(*state.borrow(), Err("away".to_owned()));
        group.set_failure(3, None);
        assert_eq!(*state.borrow(), Ok(None));
    }
}
