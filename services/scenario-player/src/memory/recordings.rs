//! Recordings in memory.

use std::sync::Arc;

use redis_core::id::RecordingName;

use super::recording::Recording;
use super::{MemoryTimeline, with_key};
use crate::event::Item;
use crate::hint::Hint;
use crate::range::ClaimedEvent;
use crate::records::{NewRecording, RecordingStart, RecordingStored};

impl MemoryTimeline {
    pub(crate) fn recordings(&self) -> Vec<Arc<RecordingName>> {
        let state = self.state.lock();
        let begun = state.recordings.iter().filter(|(_, recording)| recording.playback.is_some());
        begun.map(|(name, _)| Arc::clone(name)).collect()
    }

    pub(crate) fn store_recording(&self, new: &NewRecording) -> RecordingStored {
        let mut state = self.state.lock();
        match state.recordings.get(&new.name) {
            Some(stored) if stored.digest != new.digest => return RecordingStored::NameIsTaken,
            Some(stored) if stored.playback.is_some() => return RecordingStored::HasBegun,
            _ => {}
        }
        state.recordings.insert(Arc::clone(&new.name), Recording::of(new));
        RecordingStored::Ready
    }

    pub(crate) fn begin_recording(&self, new: &NewRecording, start: RecordingStart) -> bool {
        let mut state = self.state.lock();
        let stored = state.recordings.get_mut(&new.name).filter(|stored| stored.digest == new.digest);
        let Some(recording) = stored else { return false };
        if recording.playback.is_none() {
            recording.playback = Some(start.playback);
            state.changes += 1;
            state.events.extend(start.add.into_iter().map(with_key));
            drop(state);
            self.send_hint(Hint::Reset);
        }
        true
    }

    pub(crate) fn fill_in_messages(&self, events: &mut [ClaimedEvent]) {
        let state = self.state.lock();
        for claimed in events {
            if let Item::Message(reference) = &claimed.event.item {
                let recording = state.recordings.get(&reference.recording);
                let message =
                    recording.and_then(|recording| recording.messages.get(reference.index as usize));
                claimed.message = message.cloned();
            }
        }
    }
}
