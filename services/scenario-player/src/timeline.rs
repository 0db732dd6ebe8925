//! The timeline and the stored scenarios, in memory or in Redis. Both backends have the same operations.

use std::sync::Arc;

use redis_core::id::{CustomerId, RecordingName};
use tokio::sync::broadcast;

use crate::assignment::Assignment;
use crate::dead_letter::{DeadLetter, DeadLetterId};
use crate::event::Event;
use crate::event_trace::EventTrace;
use crate::hint::Hint;
use crate::lanes::{Lane, Lanes};
use crate::memory::MemoryTimeline;
use crate::post_id::PostId;
use crate::range::{ClaimedEvent, Page, RangeQuery};
use crate::records::{
    BegunPost, NewRecording, NewSteps, PlaybackUpdate, RecordingStart, RecordingStored, StoredScenario,
    StoredTrack, TrackSummary,
};
use crate::settled::RefusedEvent;
use crate::store::Store;
use crate::time::EpochMicros;
use crate::track::TrackId;
use crate::unavailable::Unavailable;

/// Where scenarios and upcoming events are kept. Clones share it.
#[derive(Clone)]
pub(crate) enum Timeline {
    /// In this process.
    Memory(Arc<MemoryTimeline>),
    /// In Redis, shared by all instances.
    Redis(Arc<Store>),
}

macro_rules! dispatch {
    ($self:ident, $memory:ident => $in_memory:expr, $store:ident => $in_redis:expr) => {
        match $self {
            Timeline::Memory($memory) => Ok($in_memory),
            Timeline::Redis($store) => $in_redis,
        }
    };
}

impl Timeline {
    /// How it is divided.
    pub(crate) fn lanes(&self) -> Lanes {
        match self {
            Timeline::Memory(_) => Lanes::ONE,
            Timeline::Redis(store) => store.lanes(),
        }
    }

    /// A number for steps that are about to be put on a lane. Each is given once there.
    ///
    /// # Errors
    /// [`Unavailable`], as for all operations that follow.
    pub(crate) async fn next_post(&self, lane: Lane) -> Result<u32, Unavailable> {
        dispatch!(self, memory => memory.next_post(), store => store.next_post(lane).await)
    }

    /// Begins a post at the time `now`, or takes up one with the same id that stopped half-way. While another attempt is under
    /// way, waits for its end: then this is a post of its own, unless it has a key. `None` if the key is that of another request.
    pub(crate) async fn begin_post(
        &self,
        id: &PostId,
        customer: &CustomerId,
        now: EpochMicros,
        replaces: bool,
    ) -> Result<Option<BegunPost>, Unavailable> {
        dispatch!(self, memory => memory.begin_post(id, customer, now, replaces), store => store.begin_post(id, customer, now, replaces).await)
    }

    /// Stores steps and puts their events on the timeline, and ends the post. What an earlier attempt has stored is left out.
    pub(crate) async fn post(&self, steps: NewSteps) -> Result<(), Unavailable> {
        dispatch!(self, memory => memory.post(steps), store => store.post(steps).await)
    }

    /// The stored scenario of a customer.
    pub(crate) async fn load(&self, customer: &CustomerId) -> Result<Option<StoredScenario>, Unavailable> {
        dispatch!(self, memory => memory.load(customer), store => store.load(customer).await)
    }

    /// A stored scenario or recording.
    pub(crate) async fn track(&self, id: &TrackId) -> Result<Option<StoredTrack>, Unavailable> {
        dispatch!(self, memory => memory.track(id), store => store.track(id).await)
    }

    /// The same without what it consists of.
    pub(crate) async fn summary(&self, id: &TrackId) -> Result<Option<TrackSummary>, Unavailable> {
        dispatch!(self, memory => memory.summary(id), store => store.summary(id).await)
    }

    /// The customers of a lane that have a stored scenario.
    pub(crate) async fn customers(&self, lane: Lane) -> Result<Vec<Arc<CustomerId>>, Unavailable> {
        dispatch!(self, memory => memory.customers(), store => store.customers(lane).await)
    }

    /// The stored recordings of a lane.
    pub(crate) async fn recordings(&self, lane: Lane) -> Result<Vec<Arc<RecordingName>>, Unavailable> {
        dispatch!(self, memory => memory.recordings(), store => store.recordings(lane).await)
    }

    /// Stores the messages of a recording. It is kept for ten minutes, unless it begins.
    pub(crate) async fn store_recording(&self, new: &NewRecording) -> Result<RecordingStored, Unavailable> {
        dispatch!(self, memory => memory.store_recording(new), store => store.store_recording(new).await)
    }

    /// Begins to play a recording whose messages are stored, unless it has begun. False if they are not stored any more.
    pub(crate) async fn begin_recording(
        &self,
        new: &NewRecording,
        start: RecordingStart,
    ) -> Result<bool, Unavailable> {
        dispatch!(self, memory => memory.begin_recording(new, start), store => store.begin_recording(new, start).await)
    }

    /// Looks up the messages of those events that are messages of recordings.
    pub(crate) async fn fill_in_messages(&self, events: &mut [ClaimedEvent]) -> Result<(), Unavailable> {
        dispatch!(self, memory => memory.fill_in_messages(events), store => store.fill_in_messages(events).await)
    }

    /// Sets the trace of the events that are about to be put on the timeline for a scenario or a recording.
    pub(crate) async fn set_trace(&self, id: &TrackId, trace: EventTrace) -> Result<(), Unavailable> {
        dispatch!(self, memory => memory.set_trace(id, trace), store => store.set_trace(id, trace).await)
    }

    /// Looks up which of these events of a lane belong to a trace.
    pub(crate) async fn fill_in_traces(
        &self,
        lane: Lane,
        events: &mut [ClaimedEvent],
    ) -> Result<(), Unavailable> {
        dispatch!(self, memory => memory.fill_in_traces(events), store => store.fill_in_traces(lane, events).await)
    }

    /// Changes a playback and its upcoming events. False if somebody else changed the playback first, or if it is too late; then
    /// nothing happens.
    pub(crate) async fn update_playback(&self, update: PlaybackUpdate) -> Result<bool, Unavailable> {
        dispatch!(self, memory => memory.update_playback(update), store => store.update_playback(update).await)
    }

    /// What has a loop in a lane whose last scheduled iteration ends by `until`.
    pub(crate) async fn loops_ending_by(
        &self,
        lane: Lane,
        until: EpochMicros,
    ) -> Result<Vec<TrackId>, Unavailable> {
        dispatch!(self, memory => memory.loops_ending_by(until), store => store.loops_ending_by(lane, until).await)
    }

    /// The next events of a lane, overdue ones first.
    pub(crate) async fn upcoming(&self, lane: Lane, limit: usize) -> Result<Vec<Event>, Unavailable> {
        dispatch!(self, memory => memory.upcoming(limit), store => store.upcoming(lane, limit).await)
    }

    /// The events of a lane in a range of due times. They stay there.
    pub(crate) async fn read(&self, lane: Lane, query: RangeQuery) -> Result<Page, Unavailable> {
        dispatch!(self, memory => memory.read(query), store => store.read(lane, query).await)
    }

    /// Takes published events off a lane. False if the instance has lost its lease; then nothing happens.
    pub(crate) async fn ack(
        &self,
        lane: Lane,
        assignment: &Assignment,
        events: &[ClaimedEvent],
    ) -> Result<bool, Unavailable> {
        dispatch!(self, memory => memory.ack(events), store => store.ack(lane, assignment, events).await)
    }

    /// Makes dead letters of events of a lane. False if `instance` has lost its lease; then nothing happens.
    pub(crate) async fn bury(
        &self,
        lane: Lane,
        instance: &str,
        events: &[RefusedEvent],
    ) -> Result<bool, Unavailable> {
        dispatch!(self, memory => memory.bury(events), store => store.bury(lane, instance, events).await)
    }

    /// The oldest dead letters of a lane, or those that follow `after`, which may be of another.
    pub(crate) async fn dead_letters(
        &self,
        lane: Lane,
        after: Option<DeadLetterId>,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, Unavailable> {
        dispatch!(self, memory => memory.dead_letters(after, limit), store => store.dead_letters(lane, after, limit).await)
    }

    /// How many dead letters a lane has.
    pub(crate) async fn count_dead_letters(&self, lane: Lane) -> Result<usize, Unavailable> {
        dispatch!(self, memory => memory.count_dead_letters(), store => store.count_dead_letters(lane).await)
    }

    /// One dead letter.
    pub(crate) async fn dead_letter(&self, id: DeadLetterId) -> Result<Option<DeadLetter>, Unavailable> {
        dispatch!(self, memory => memory.dead_letter(id), store => store.dead_letter(id).await)
    }

    /// Takes dead letters of a lane off their list, and puts events on the lane instead. False if one is gone; then nothing
    /// happens.
    pub(crate) async fn revive(
        &self,
        lane: Lane,
        ids: &[DeadLetterId],
        events: &[Event],
    ) -> Result<bool, Unavailable> {
        dispatch!(self, memory => memory.revive(ids, events), store => store.revive(lane, ids, events).await)
    }

    /// Takes dead letters of a lane off their list. Returns how many there were.
    pub(crate) async fn drop_dead_letters(
        &self,
        lane: Lane,
        ids: &[DeadLetterId],
    ) -> Result<usize, Unavailable> {
        dispatch!(self, memory => memory.drop_dead_letters(ids), store => store.drop_dead_letters(lane, ids).await)
    }

    /// Hints of changes of a lane from now on.
    pub(crate) fn hints(&self, lane: Lane) -> broadcast::Receiver<Hint> {
        match self {
            Timeline::Memory(memory) => memory.hints(),
            Timeline::Redis(store) => store.hints(lane),
        }
    }

    /// Events from now on as they are published, by any instance.
    pub(crate) fn published(&self) -> broadcast::Receiver<Event> {
        match self {
            Timeline::Memory(memory) => memory.published(),
            Timeline::Redis(store) => store.published(),
        }
    }
}
