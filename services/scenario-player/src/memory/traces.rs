//! The traces of events in memory.

use std::sync::Arc;

use super::MemoryTimeline;
use crate::event_trace::EventTrace;
use crate::range::ClaimedEvent;
use crate::track::TrackId;

impl MemoryTimeline {
    pub(crate) fn set_trace(&self, id: &TrackId, trace: EventTrace) {
        self.state.lock().traces.insert(id.clone(), Arc::new(trace));
    }

    pub(crate) fn fill_in_traces(&self, events: &mut [ClaimedEvent]) {
        let state = self.state.lock();
        for claimed in events {
            let trace = state.traces.get(&TrackId::of(&claimed.event));
            claimed.trace = trace.filter(|trace| trace.includes(claimed.due_ms)).cloned();
        }
    }
}
