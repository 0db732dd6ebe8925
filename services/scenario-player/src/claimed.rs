//! Which events this instance has claimed, and of which partitions it claims events.

use std::collections::HashSet;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::event::Event;
use crate::partitions::{ALL_PARTITIONS, NO_PARTITIONS, PARTITIONS, PartitionSet};
use crate::range::ClaimedEvent;

/// The events that this instance has read, and that are still on the timeline.
#[derive(Default)]
pub(crate) struct ClaimedEvents {
    state: Mutex<State>,
    /// Notified when a partition that is to be given up has no claimed event left.
    pub(crate) partition_emptied: Notify,
}

struct State {
    /// The claimed events, and those in `released`.
    events: HashSet<Event>,
    /// The number of claimed events in each partition.
    counts: [usize; PARTITIONS],
    /// The partitions of which events are claimed: this instance's own, without those that it gives up.
    accepted: PartitionSet,
    /// The partitions that it gives up once they have no claimed event left.
    giving_up: Vec<usize>,
    /// Released since the current read of the timeline began. That read may still have seen them, so they are not claimed
    /// again until the next one begins.
    released: Vec<Event>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            events: HashSet::new(),
            counts: [0; PARTITIONS],
            accepted: NO_PARTITIONS,
            giving_up: Vec::new(),
            released: Vec::new(),
        }
    }
}

impl State {
    fn is_empty(&self) -> bool {
        self.events.len() == self.released.len()
    }
}

impl ClaimedEvents {
    /// For an instance that always has every partition: the memory backend.
    pub(crate) fn for_all_partitions() -> Self {
        let state = State { accepted: ALL_PARTITIONS, ..State::default() };
        Self { state: Mutex::new(state), partition_emptied: Notify::new() }
    }

    /// Must be called before each read of the timeline. The read cannot see an event that was acknowledged before it.
    pub(crate) fn begin_read(&self) {
        let state = &mut *self.state.lock();
        for event in state.released.drain(..) {
            state.events.remove(&event);
        }
    }

    /// Claims events, and returns those that are newly claimed. Left out are events that were claimed before, and events of
    /// partitions that are not accepted.
    pub(crate) fn claim(&self, mut events: Vec<ClaimedEvent>) -> Vec<ClaimedEvent> {
        let state = &mut *self.state.lock();
        events.retain(|claimed| {
            let is_new = state.accepted[claimed.partition] && state.events.insert(claimed.event.clone());
            state.counts[claimed.partition] += usize::from(is_new);
            is_new
        });
        events
    }

    /// Releases claimed events: they are off the timeline, or must be read again.
    pub(crate) fn release<'a>(&self, events: impl IntoIterator<Item = &'a ClaimedEvent>) {
        let mut state = self.state.lock();
        for claimed in events {
            state.counts[claimed.partition] -= 1;
            state.released.push(claimed.event.clone());
        }
        if state.giving_up.iter().any(|partition| state.counts[*partition] == 0) {
            self.partition_emptied.notify_one();
        }
    }

    /// Stops claiming if no event is claimed now. Returns whether it did.
    pub(crate) fn stop_if_empty(&self) -> bool {
        let mut state = self.state.lock();
        let is_empty = state.is_empty();
        if is_empty {
            state.accepted = NO_PARTITIONS;
        }
        is_empty
    }

    /// Whether no event is claimed.
    pub(crate) fn is_empty(&self) -> bool {
        self.state.lock().is_empty()
    }

    /// From now on claims events of the `accepted` partitions only. Returns which of the partitions in `giving_up` have no
    /// claimed event.
    ///
    /// All under one lock: otherwise an event could be claimed in a partition that is about to go to another instance.
    pub(crate) fn set_partitions(&self, accepted: PartitionSet, giving_up: &[usize]) -> Vec<usize> {
        let mut state = self.state.lock();
        state.accepted = accepted;
        state.giving_up = giving_up.to_vec();
        giving_up.iter().copied().filter(|partition| state.counts[*partition] == 0).collect()
    }
}
