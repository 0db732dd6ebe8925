//! What the backends of the timeline store, and how it is changed.

use std::sync::Arc;

use redis_core::id::CustomerId;

use crate::event::Event;
use crate::playback::Playback;
use crate::scenario::Step;

/// A stored scenario.
#[derive(Debug, Clone)]
pub(crate) struct StoredScenario {
    /// Its steps, in the order they were given.
    pub(crate) steps: Vec<Step>,
    /// How it is being played.
    pub(crate) playback: Playback,
}

/// A stored scenario without its steps.
#[derive(Debug, Clone)]
pub(crate) struct ScenarioSummary {
    /// Number of its steps.
    pub(crate) steps: usize,
    /// How it is being played.
    pub(crate) playback: Playback,
}

/// Steps to store, and to put on the timeline as events.
pub(crate) struct NewSteps {
    /// The customer.
    pub(crate) customer: Arc<CustomerId>,
    /// Steps to store.
    pub(crate) steps: Vec<Step>,
    /// Whether they replace the stored steps. Otherwise they are appended.
    pub(crate) replaces: bool,
    /// The playback of everything that is stored afterwards.
    pub(crate) playback: Playback,
    /// The events, the earliest first.
    pub(crate) events: Vec<Event>,
}

/// A compare-and-set of a playback: it happens only if the stored playback still equals `old`.
pub(crate) struct PlaybackUpdate {
    /// The customer.
    pub(crate) customer: Arc<CustomerId>,
    /// The playback that was read.
    pub(crate) old: Playback,
    /// The playback to store. `None` deletes the scenario.
    pub(crate) new: Option<Playback>,
    /// Events to take off the timeline.
    pub(crate) remove: Vec<Event>,
    /// Events to put on the timeline.
    pub(crate) add: Vec<Event>,
}
