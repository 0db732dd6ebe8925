//! The timeline of one process. Nothing outlives it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fred::bytes_utils::Str;
use jiff::Timestamp;
use redis_core::id::CustomerId;
use tokio::sync::broadcast;

use crate::event::{Event, Place};
use crate::lanes::lane_of;
use crate::time::Micros;
use crate::timeline::{BROADCAST_CAPACITY, Claimed, Hint, Look, Page, Post, Stored, Summary, Swap};

/// Scenarios and steps to come, behind one lock that is never held across an await.
pub(crate) struct Memory {
    state: Mutex<State>,
    hints: broadcast::Sender<Hint>,
    published: broadcast::Sender<Event>,
}

#[derive(Default)]
struct State {
    posts: u32,
    changes: u64,
    scenarios: BTreeMap<Arc<CustomerId>, Stored>,
    /// By due time in milliseconds; the place makes the key unique.
    due: BTreeMap<(i64, Place), Event>,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            state: Mutex::default(),
            hints: broadcast::channel(BROADCAST_CAPACITY).0,
            published: broadcast::channel(BROADCAST_CAPACITY).0,
        }
    }
}

impl Memory {
    pub(crate) fn next_post(&self) -> u32 {
        let mut state = self.lock();
        state.posts += 1;
        state.posts
    }

    pub(crate) fn post(&self, post: Post) {
        let mut state = self.lock();
        let Post { customer, steps, replaces, playback, events } = post;
        match state.scenarios.get_mut(&customer) {
            Some(stored) if !replaces => {
                stored.steps.extend(steps);
                stored.playback = playback;
            }
            _ => {
                state.scenarios.insert(customer, Stored { steps, playback });
            }
        }
        state.changes += 1;
        state.due.extend(events.into_iter().map(keyed));
        drop(state);
        self.tell(Hint::Posted);
    }

    pub(crate) fn load(&self, customer: &CustomerId) -> Option<Stored> {
        self.lock().scenarios.get(customer).cloned()
    }

    pub(crate) fn summary(&self, customer: &CustomerId) -> Option<Summary> {
        let state = self.lock();
        let stored = state.scenarios.get(customer)?;
        Some(Summary { steps: stored.steps.len(), playback: stored.playback.clone() })
    }

    pub(crate) fn customers(&self) -> Vec<Arc<CustomerId>> {
        self.lock().scenarios.keys().cloned().collect()
    }

    pub(crate) fn swap(&self, swap: Swap) -> bool {
        let mut state = self.lock();
        let Swap { customer, old, new, remove, add } = swap;
        if state.scenarios.get(&customer).is_none_or(|stored| stored.playback != old) {
            return false;
        }
        state.changes += 1;
        for (key, _) in remove.into_iter().map(keyed) {
            state.due.remove(&key);
        }
        state.due.extend(add.into_iter().map(keyed));
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
        self.tell(Hint::Reset);
        true
    }

    pub(crate) fn rounds_ending(&self, until: Micros) -> Vec<Arc<CustomerId>> {
        let state = self.lock();
        let ending = state
            .scenarios
            .iter()
            .filter(|(_, stored)| stored.playback.round_end().is_some_and(|end| end <= until));
        ending.map(|(customer, _)| Arc::clone(customer)).collect()
    }

    pub(crate) fn upcoming(&self, limit: usize) -> Vec<Event> {
        self.lock().due.values().take(limit).cloned().collect()
    }

    pub(crate) fn read(&self, look: Look) -> Page {
        let Look { from_ms, until_ms, limit, start_ms: _ } = look;
        let after_ms = until_ms + 1;
        let state = self.lock();
        let soon = state.due.range((from_ms, Place::default())..(after_ms, Place::default())).take(limit);
        let claimed: Vec<Claimed> = soon
            .map(|((due_ms, _), event)| Claimed {
                due_ms: *due_ms,
                lane: lane_of(&event.customer),
                event: event.clone(),
                member: Str::default(),
            })
            .collect();
        let due_ms = |key: &(i64, Place)| key.0;
        Page {
            now_ms: Timestamp::now().as_microsecond() as f64 / 1000.0,
            changes: state.changes,
            full: claimed.len() >= limit,
            claimed,
            first_due_ms: state.due.keys().next().map(due_ms),
            next_due_ms: state.due.range((after_ms, Place::default())..).next().map(|(key, _)| due_ms(key)),
        }
    }

    pub(crate) fn ack(&self, claimed: &[Claimed]) -> bool {
        let mut state = self.lock();
        for claimed in claimed {
            state.due.remove(&(claimed.due_ms, claimed.event.place));
        }
        drop(state);
        if self.published.receiver_count() > 0 {
            for claimed in claimed {
                // The last listener may have gone meanwhile.
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

    fn tell(&self, hint: Hint) {
        // Without a player there is nobody to tell.
        let _ = self.hints.send(hint);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn keyed(event: Event) -> ((i64, Place), Event) {
    ((event.step.at.as_ms(), event.place), event)
}
