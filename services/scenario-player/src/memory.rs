//! The timeline in this process's memory. It is lost when the process ends.

mod dead_letters;
mod keyed_posts;
mod posts;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use parking_lot::Mutex;
use redis_core::id::CustomerId;
use tokio::sync::broadcast;

use self::keyed_posts::KeyedPosts;
use crate::dead_letter::{DeadLetter, DeadLetterId};
use crate::event::{Event, Sequence};
use crate::hint::{BROADCAST_CAPACITY, Hint};
use crate::partitions::partition_of;
use crate::range::{ClaimedEvent, Page, RangeQuery};
use crate::records::{PlaybackUpdate, ScenarioSummary, StoredScenario};
use crate::time::EpochMicros;

/// Scenarios and upcoming events. The lock is never held across an await.
pub(crate) struct MemoryTimeline {
    state: Mutex<State>,
    hints: broadcast::Sender<Hint>,
    published: broadcast::Sender<Event>,
}

#[derive(Default)]
struct State {
    posts: u32,
    keyed_posts: KeyedPosts,
    changes: u64,
    scenarios: BTreeMap<Arc<CustomerId>, StoredScenario>,
    /// By due time in milliseconds. The sequence makes the key unique.
    events: BTreeMap<(i64, Sequence), Event>,
    dead_letters: BTreeMap<DeadLetterId, DeadLetter>,
}

impl State {
    fn next_post(&mut self) -> u32 {
        self.posts += 1;
        self.posts
    }
}

impl Default for MemoryTimeline {
    fn default() -> Self {
        Self {
            state: Mutex::default(),
            hints: broadcast::channel(BROADCAST_CAPACITY).0,
            published: broadcast::channel(BROADCAST_CAPACITY).0,
        }
    }
}

impl MemoryTimeline {
    pub(crate) fn next_post(&self) -> u32 {
        self.state.lock().next_post()
    }

    pub(crate) fn load(&self, customer: &CustomerId) -> Option<StoredScenario> {
        self.state.lock().scenarios.get(customer).cloned()
    }

    pub(crate) fn summary(&self, customer: &CustomerId) -> Option<ScenarioSummary> {
        let state = self.state.lock();
        let stored = state.scenarios.get(customer)?;
        Some(ScenarioSummary { steps: stored.steps.len(), playback: stored.playback.clone() })
    }

    pub(crate) fn customers(&self) -> Vec<Arc<CustomerId>> {
        self.state.lock().scenarios.keys().cloned().collect()
    }

    pub(crate) fn update_playback(&self, update: PlaybackUpdate) -> bool {
        let mut state = self.state.lock();
        let PlaybackUpdate { customer, old, new, until_ms, remove, add } = update;
        let is_too_late = until_ms.is_some_and(|until_ms| Timestamp::now().as_millisecond() > until_ms);
        if is_too_late || state.scenarios.get(&customer).is_none_or(|stored| stored.playback != old) {
            return false;
        }
        state.changes += 1;
        for (key, _) in remove.into_iter().map(with_key) {
            state.events.remove(&key);
        }
        state.events.extend(add.into_iter().map(with_key));
        match new {
            Some(playback) => {
                if let Some(stored) = state.scenarios.get_mut(&customer) {
                    stored.playback = playback;
                }
            }
            None => {
                state.scenarios.remove(&customer);
            }
        }
        drop(state);
        self.send_hint(Hint::Reset);
        true
    }

    pub(crate) fn loops_ending_by(&self, until: EpochMicros) -> Vec<Arc<CustomerId>> {
        let state = self.state.lock();
        let ending = state
            .scenarios
            .iter()
            .filter(|(_, stored)| stored.playback.iteration_end().is_some_and(|end| end <= until));
        ending.map(|(customer, _)| Arc::clone(customer)).collect()
    }

    pub(crate) fn upcoming(&self, limit: usize) -> Vec<Event> {
        self.state.lock().events.values().take(limit).cloned().collect()
    }

    pub(crate) fn read(&self, query: RangeQuery) -> Page {
        let RangeQuery { from_ms, until_ms, limit, start_ms: _ } = query;
        let (from, after) = ((from_ms, Sequence::default()), (until_ms + 1, Sequence::default()));
        let state = self.state.lock();
        let claimed = |((due_ms, _), event): (&(i64, Sequence), &Event)| ClaimedEvent {
            due_ms: *due_ms,
            partition: partition_of(&event.customer),
            event: event.clone(),
            member: Bytes::new(),
        };
        let events: Vec<ClaimedEvent> = state.events.range(from..after).take(limit).map(claimed).collect();
        Page {
            now_ms: Timestamp::now().as_microsecond() as f64 / 1000.0,
            changes: state.changes,
            is_full: events.len() >= limit,
            events,
            first_due_ms: state.events.keys().next().map(|(due_ms, _)| *due_ms),
            next_due_ms: state.events.range(after..).next().map(|((due_ms, _), _)| *due_ms),
        }
    }

    pub(crate) fn ack(&self, events: &[ClaimedEvent]) -> bool {
        let mut state = self.state.lock();
        for claimed in events {
            state.events.remove(&(claimed.due_ms, claimed.event.sequence));
        }
        drop(state);
        if self.published.receiver_count() > 0 {
            for claimed in events {
                // This fails if the last subscriber has left in the meantime.
                let _ = self.published.send(claimed.event.clone());
            }
        }
        true
    }

    pub(crate) fn hints(&self) -> broadcast::Receiver<Hint> {
        self.hints.subscribe()
    }

    pub(crate) fn published(&self) -> broadcast::Receiver<Event> {
        self.published.subscribe()
    }

    fn send_hint(&self, hint: Hint) {
        // This fails if no task waits for hints, as while the process stops.
        let _ = self.hints.send(hint);
    }
}

fn with_key(event: Event) -> ((i64, Sequence), Event) {
    ((event.step.time.as_ms(), event.sequence), event)
}
