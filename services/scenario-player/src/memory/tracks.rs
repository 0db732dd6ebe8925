//! What is played from memory, and how: scenarios, recordings and their playbacks.

use std::sync::Arc;

use jiff::Timestamp;
use redis_core::id::CustomerId;

use super::{MemoryTimeline, State, with_key};
use crate::hint::Hint;
use crate::playback::Playback;
use crate::records::{PlaybackUpdate, StoredScenario, StoredTrack, TrackSummary};
use crate::time::EpochMicros;
use crate::track::{Track, TrackId};

impl MemoryTimeline {
    pub(crate) fn load(&self, customer: &CustomerId) -> Option<StoredScenario> {
        self.state.lock().scenarios.get(customer).cloned()
    }

    pub(crate) fn track(&self, id: &TrackId) -> Option<StoredTrack> {
        let state = self.state.lock();
        let playback = state.playback(id)?.clone();
        let track = match id {
            TrackId::Scenario(customer) => {
                Track::Scenario(Arc::clone(customer), state.scenarios.get(customer)?.steps.clone())
            }
            TrackId::Recording(name) => {
                Track::Recording(Arc::clone(name), state.recordings.get(name)?.times.clone())
            }
        };
        Some(StoredTrack { track, playback })
    }

    pub(crate) fn summary(&self, id: &TrackId) -> Option<TrackSummary> {
        let state = self.state.lock();
        let playback = state.playback(id)?.clone();
        let items = match id {
            TrackId::Scenario(customer) => state.scenarios.get(customer)?.steps.len(),
            TrackId::Recording(name) => state.recordings.get(name)?.times.len(),
        };
        Some(TrackSummary { items, playback })
    }

    pub(crate) fn customers(&self) -> Vec<Arc<CustomerId>> {
        self.state.lock().scenarios.keys().cloned().collect()
    }

    pub(crate) fn update_playback(&self, update: PlaybackUpdate) -> bool {
        let mut state = self.state.lock();
        let PlaybackUpdate { id, old, new, until_ms, remove, add } = update;
        let is_too_late = until_ms.is_some_and(|until_ms| Timestamp::now().as_millisecond() > until_ms);
        if is_too_late || state.playback(&id) != Some(&old) {
            return false;
        }
        state.changes += 1;
        for (key, _) in remove.into_iter().map(with_key) {
            state.events.remove(&key);
        }
        state.events.extend(add.into_iter().map(with_key));
        match (new, &id) {
            (Some(playback), id) => {
                if let Some(stored) = state.playback_mut(id) {
                    *stored = playback;
                }
            }
            (None, TrackId::Scenario(customer)) => drop(state.scenarios.remove(customer)),
            (None, TrackId::Recording(name)) => drop(state.recordings.remove(name)),
        }
        if state.playback(&id).is_none() {
            state.traces.remove(&id);
        }
        drop(state);
        self.send_hint(Hint::Reset);
        true
    }

    pub(crate) fn loops_ending_by(&self, until: EpochMicros) -> Vec<TrackId> {
        let state = self.state.lock();
        let scenarios = state
            .scenarios
            .iter()
            .map(|(customer, stored)| (TrackId::Scenario(Arc::clone(customer)), Some(&stored.playback)));
        let recordings = state
            .recordings
            .iter()
            .map(|(name, recording)| (TrackId::Recording(Arc::clone(name)), recording.playback.as_ref()));
        let is_ending = |playback: &Playback| playback.iteration_end().is_some_and(|end| end <= until);
        let ending = scenarios.chain(recordings).filter(|(_, playback)| playback.is_some_and(is_ending));
        ending.map(|(id, _)| id).collect()
    }
}

impl State {
    fn playback(&self, id: &TrackId) -> Option<&Playback> {
        match id {
            TrackId::Scenario(customer) => Some(&self.scenarios.get(customer)?.playback),
            TrackId::Recording(name) => self.recordings.get(name)?.playback.as_ref(),
        }
    }

    fn playback_mut(&mut self, id: &TrackId) -> Option<&mut Playback> {
        match id {
            TrackId::Scenario(customer) => Some(&mut self.scenarios.get_mut(customer)?.playback),
            TrackId::Recording(name) => self.recordings.get_mut(name)?.playback.as_mut(),
        }
    }
}
