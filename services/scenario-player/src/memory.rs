//! The timeline in this process's memory, in a single lane. It is lost when the process ends.

mod dead_letters;
mod keyed_posts;
mod posts;
mod recording;
mod recordings;
mod traces;
mod tracks;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use parking_lot::Mutex;
use redis_core::id::{CustomerId, RecordingName};
use tokio::sync::broadcast;

use self::keyed_posts::KeyedPosts;
use self::recording::Recording;
use crate::dead_letter::{DeadLetter, DeadLetterId};
use crate::event::{Event, Sequence};
use crate::event_trace::EventTrace;
use crate::hint::{BROADCAST_CAPACITY, Hint};
use crate::partitions::partition_of;
use crate::range::{ClaimedEvent, Page, RangeQuery};
use crate::records::StoredScenario;
use crate::track::TrackId;

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
    recordings: BTreeMap<Arc<RecordingName>, Recording>,
    /// By due time in milliseconds. The sequence makes the key unique.
    events: BTreeMap<(i64, Sequence), Event>,
    dead_letters: BTreeMap<DeadLetterId, DeadLetter>,
    /// Of what was put on the timeline last, by requests that are traced.
    traces: HashMap<TrackId, Arc<EventTrace>>,
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

    pub(crate) fn upcoming(&self, limit: usize) -> Vec<Event> {
        self.state.lock().events.values().take(limit).cloned().collect()
    }

    pub(crate) fn read(&self, query: RangeQuery) -> Page {
        let RangeQuery { from_ms, until_ms, limit, start_ms: _ } = query;
        let (from, after) = ((from_ms, Sequence::default()), (until_ms + 1, Sequence::default()));
        let state = self.state.lock();
        let claimed = |((due_ms, _), event): (&(i64, Sequence), &Event)| ClaimedEvent {
            due_ms: *due_ms,
            partition: partition_of(event.owner()),
            event: event.clone(),
            member: Bytes::new(),
            message: None,
            trace: None,
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
    ((event.time().as_ms(), event.sequence), event)
}
