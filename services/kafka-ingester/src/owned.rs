//! The partitions that this instance owns at the moment, and how far each is applied.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::store::TopicPartition;

/// The owned partitions. Cloning shares them.
#[derive(Clone, Default)]
pub(crate) struct Owned(Arc<Mutex<HashMap<TopicPartition, Slot>>>);

/// A partition's task. It stays after its end, until the partition comes back or the process goes: a task that comes
/// back waits for the one before it, because both would read from the same queue.
struct Slot {
    stop: CancellationToken,
    task: JoinHandle<()>,
    progress: Progress,
    committed: i64,
}

/// The offset of the next message to apply; negative until it is known. Cloning shares it.
#[derive(Clone)]
pub(crate) struct Progress(Arc<AtomicI64>);

impl Default for Progress {
    fn default() -> Self {
        Self(Arc::new(AtomicI64::new(-1)))
    }
}

impl Progress {
    pub(crate) fn set(&self, next: i64) {
        self.0.store(next, Ordering::Relaxed);
    }

    fn get(&self) -> Option<i64> {
        Some(self.0.load(Ordering::Relaxed)).filter(|next| *next >= 0)
    }
}

impl Owned {
    /// Starts a partition's task. `start` gets the token that stops it, where it reports, and the task before it.
    pub(crate) fn start(
        &self,
        at: TopicPartition,
        start: impl FnOnce(CancellationToken, Progress, Option<JoinHandle<()>>) -> JoinHandle<()>,
    ) {
        let mut slots = self.lock();
        let before = slots.remove(&at).map(|slot| {
            slot.stop.cancel();
            slot.task
        });
        let (stop, progress) = (CancellationToken::new(), Progress::default());
        let task = start(stop.clone(), progress.clone(), before);
        slots.insert(at, Slot { stop, task, progress, committed: -1 });
    }

    /// Stops a partition's task, which ends soon; gives how far the partition is applied.
    pub(crate) fn stop(&self, at: &TopicPartition) -> Option<i64> {
        let slots = self.lock();
        let slot = slots.get(at).filter(|slot| !slot.stop.is_cancelled())?;
        slot.stop.cancel();
        slot.progress.get()
    }

    /// Stops all, waits until they have ended, and gives how far each is applied.
    pub(crate) async fn stop_all(&self) -> Vec<(TopicPartition, i64)> {
        let slots = std::mem::take(&mut *self.lock());
        slots.values().for_each(|slot| slot.stop.cancel());
        let mut applied = Vec::new();
        for (at, slot) in slots {
            // A panic in it is reported by the poll loop's end.
            let _ = slot.task.await;
            applied.extend(slot.progress.get().map(|next| (at, next)));
        }
        applied
    }

    /// How far a partition is applied, if it is owned.
    pub(crate) fn next(&self, at: &TopicPartition) -> Option<i64> {
        self.lock().get(at).filter(|slot| !slot.stop.is_cancelled())?.progress.get()
    }

    /// Number of partitions owned.
    pub(crate) fn count(&self) -> usize {
        self.lock().values().filter(|slot| !slot.stop.is_cancelled()).count()
    }

    /// Offsets that have moved since the last call.
    pub(crate) fn to_commit(&self) -> Vec<(TopicPartition, i64)> {
        let mut moved = Vec::new();
        for (at, slot) in self.lock().iter_mut().filter(|(_, slot)| !slot.stop.is_cancelled()) {
            if let Some(next) = slot.progress.get().filter(|next| *next != slot.committed) {
                slot.committed = next;
                moved.push((at.clone(), next));
            }
        }
        moved
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TopicPartition, Slot>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
