//! A track: what has a playback. It is the scenario of a customer, or a recording.

use std::sync::Arc;

use redis_core::id::{CustomerId, RecordingName};

use crate::event::{CustomerStep, Event, Item, Sequence};
use crate::playback::{Due, Playback, Speed};
use crate::scenario::Step;
use crate::time::EpochMicros;

/// What names a track.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum TrackId {
    /// The scenario of this customer.
    Scenario(Arc<CustomerId>),
    /// The recording with this name.
    Recording(Arc<RecordingName>),
}

/// A track, and what it consists of.
#[derive(Debug, Clone)]
pub(crate) enum Track {
    /// A customer, and the steps of the visit.
    Scenario(Arc<CustomerId>, Vec<Step>),
    /// A recording, and the times of its messages.
    Recording(Arc<RecordingName>, Vec<EpochMicros>),
}

impl TrackId {
    /// Of which an event is.
    pub(crate) fn of(event: &Event) -> Self {
        match &event.item {
            Item::Step(CustomerStep { customer, .. }) => Self::Scenario(Arc::clone(customer)),
            Item::Message(message) => Self::Recording(Arc::clone(&message.recording)),
        }
    }

    /// The id of the customer, or the name of the recording.
    pub(crate) fn as_str(&self) -> &str {
        match self {
            TrackId::Scenario(customer) => customer.as_str(),
            TrackId::Recording(name) => name.as_str(),
        }
    }
}

impl From<&CustomerId> for TrackId {
    fn from(customer: &CustomerId) -> Self {
        Self::Scenario(Arc::new(customer.clone()))
    }
}

impl From<&RecordingName> for TrackId {
    fn from(name: &RecordingName) -> Self {
        Self::Recording(Arc::new(name.clone()))
    }
}

impl Track {
    /// Plays it from the beginning, starting at `at`.
    pub(crate) fn start(&self, at: EpochMicros, speed: Speed, looping: bool, post: u32) -> Playback {
        match self {
            Track::Scenario(_, steps) => Playback::start(steps, at, speed, looping, post),
            Track::Recording(_, times) => Playback::start(times, at, speed, looping, post),
        }
    }

    /// The events that a playback of it has at `since` or later.
    pub(crate) fn events_since(&self, playback: &Playback, since: EpochMicros) -> Vec<Event> {
        let sequence = |due: &Due| Sequence { post: due.post, index: due.index };
        match self {
            Track::Scenario(customer, steps) => {
                let step = |due: &Due| Step { time: due.time, ..steps[due.index as usize] };
                let due = playback.due_since(steps, since);
                due.iter().map(|due| Event::of_step(customer, step(due), sequence(due))).collect()
            }
            Track::Recording(name, times) => {
                let due = playback.due_since(times, since);
                due.iter().map(|due| Event::of_message(name, due.index, due.time, sequence(due))).collect()
            }
        }
    }
}
