//! The partitions that are assigned to this instance, with their tasks and their progress.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use parking_lot::Mutex;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::topic_partition::TopicPartition;

/// The assigned partitions. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Assignments(Arc<Mutex<HashMap<TopicPartition, Assignment>>>);

/// A partition and its task.
///
/// It stays in the map after the task was stopped, until the partition is assigned again: the new task must
/// wait for the one before it, because both would read from the same queue.
struct Assignment {
    stop: CancellationToken,
    task: JoinHandle<()>,
    progress: Progress,
    /// The last [`Assignments::pass`].
    passed: Option<(i64, i64)>,
    committed: Option<i64>,
}

/// The offset of the next message to apply. Clones share it.
#[derive(Clone)]
pub(crate) struct Progress(Arc<AtomicI64>);

impl Default for Progress {
    fn default() -> Self {
        Self(Arc::new(AtomicI64::new(UNKNOWN)))
    }
}

impl Progress {
    pub(crate) fn set(&self, next_offset: i64) {
        self.0.store(next_offset, Ordering::Relaxed);
    }

    /// `None` until the task has claimed its partition.
    fn get(&self) -> Option<i64> {
        Some(self.0.load(Ordering::Relaxed)).filter(|next_offset| *next_offset != UNKNOWN)
    }
}

impl Assignments {
    /// Starts the task of a partition. `spawn` gets the token that stops the task, where the task reports its
    /// progress, and the task before it.
    pub(crate) fn start(
        &self,
        partition: TopicPartition,
        spawn: impl FnOnce(CancellationToken, Progress, Option<JoinHandle<()>>) -> JoinHandle<()>,
    ) {
        let mut assignments = self.0.lock();
        let previous = assignments.remove(&partition).map(|assignment| {
            assignment.stop.cancel();
            assignment.task
        });
        let (stop, progress) = (CancellationToken::new(), Progress::default());
        let task = spawn(stop.clone(), progress.clone(), previous);
        assignments.insert(partition, Assignment { stop, task, progress, passed: None, committed: None });
    }

    /// Stops the task of a partition, without waiting for its end. Returns the partition's next offset.
    pub(crate) fn stop(&self, partition: &TopicPartition) -> Option<i64> {
        let assignments = self.0.lock();
        let assignment = assignments.get(partition).filter(|assignment| assignment.is_active())?;
        assignment.stop.cancel();
        assignment.position()
    }

    /// Stops all tasks and waits for their end. Returns the next offset of each partition.
    pub(crate) async fn stop_all(&self) -> Vec<(TopicPartition, i64)> {
        let assignments = std::mem::take(&mut *self.0.lock());
        assignments.values().for_each(|assignment| assignment.stop.cancel());
        let mut next_offsets = Vec::new();
        for (partition, mut assignment) in assignments {
            // If the task panicked, its last progress still counts.
            let _ = (&mut assignment.task).await;
            next_offsets.extend(assignment.position().map(|next_offset| (partition, next_offset)));
        }
        next_offsets
    }

    /// The next offset of a partition, if it is assigned and claimed.
    pub(crate) fn next_offset(&self, partition: &TopicPartition) -> Option<i64> {
        self.0.lock().get(partition).filter(|assignment| assignment.is_active())?.progress.get()
    }

    /// What follows `next_offset` is nothing to apply, up to `position`.
    pub(crate) fn pass(&self, partition: &TopicPartition, next_offset: i64, position: i64) {
        if let Some(assignment) = self.0.lock().get_mut(partition) {
            assignment.passed = Some((next_offset, position));
        }
    }

    /// Number of assigned partitions.
    pub(crate) fn len(&self) -> usize {
        self.0.lock().values().filter(|assignment| assignment.is_active()).count()
    }

    /// The positions that have moved since the last call.
    pub(crate) fn take_offsets_to_commit(&self) -> Vec<(TopicPartition, i64)> {
        let mut moved = Vec::new();
        for (partition, assignment) in
            self.0.lock().iter_mut().filter(|(_, assignment)| assignment.is_active())
        {
            let next_offset = assignment.position();
            if let Some(offset) = next_offset.filter(|_| next_offset != assignment.committed) {
                assignment.committed = next_offset;
                moved.push((partition.clone(), offset));
            }
        }
        moved
    }
}

impl Assignment {
    /// The offset up to which the partition is done, for lag tools.
    fn position(&self) -> Option<i64> {
        let next_offset = self.progress.get()?;
        let passed = self.passed.filter(|(from, _)| *from == next_offset);
        Some(passed.map_or(next_offset, |(_, position)| position))
    }

    fn is_active(&self) -> bool {
        !self.stop.is_cancelled()
    }
}

const UNKNOWN: i64 = -1;
