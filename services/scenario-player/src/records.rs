//! What the backends of the timeline store, and how it is changed.

use std::sync::Arc;

use redis_core::id::{CustomerId, RecordingName};

use crate::event::Event;
use crate::playback::Playback;
use crate::post_id::PostId;
use crate::recording::RecordedMessage;
use crate::scenario::Step;
use crate::time::EpochMicros;
use crate::track::{Track, TrackId};

/// A stored scenario.
#[derive(Debug, Clone)]
pub(crate) struct StoredScenario {
    /// Its steps, in the order they were given.
    pub(crate) steps: Vec<Step>,
    /// How it is being played.
    pub(crate) playback: Playback,
}

/// A stored scenario or recording.
#[derive(Debug, Clone)]
pub(crate) struct StoredTrack {
    /// What it consists of.
    pub(crate) track: Track,
    /// How it is being played.
    pub(crate) playback: Playback,
}

/// A stored scenario or recording without what it consists of.
#[derive(Debug, Clone)]
pub(crate) struct TrackSummary {
    /// Number of its steps or messages.
    pub(crate) items: usize,
    /// How it is being played.
    pub(crate) playback: Playback,
}

/// A recording to store.
pub(crate) struct NewRecording {
    /// Its name.
    pub(crate) name: Arc<RecordingName>,
    /// Differs from that of every other recording.
    pub(crate) digest: String,
    /// Its messages, at least one.
    pub(crate) messages: Vec<RecordedMessage>,
}

/// What came of storing a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RecordingStored {
    /// Its messages are stored, and it can begin.
    Ready,
    /// It had been stored before, and has begun.
    HasBegun,
    /// Another recording has its name. Nothing was stored.
    NameIsTaken,
}

/// A post that has begun. When it is repeated before it has ended, these are the same again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BegunPost {
    /// The number for its events.
    pub(crate) number: u32,
    /// When it began.
    pub(crate) time: EpochMicros,
    /// The index of its first step in the stored scenario.
    pub(crate) first_index: u32,
}

/// Steps to store, and to put on the timeline as events.
pub(crate) struct NewSteps {
    /// By what the post is recognized when it is repeated.
    pub(crate) id: PostId,
    /// The number of the post.
    pub(crate) post: u32,
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

/// A compare-and-set of a playback: it happens only if the stored playback still equals `old`, and in time.
pub(crate) struct PlaybackUpdate {
    /// Whose playback.
    pub(crate) id: TrackId,
    /// The playback that was read.
    pub(crate) old: Playback,
    /// The playback to store. `None` deletes the scenario or recording.
    pub(crate) new: Option<Playback>,
    /// The last moment when it may happen (ms). Until then no instance has read an event that it moves.
    pub(crate) until_ms: Option<i64>,
    /// Events to take off the timeline.
    pub(crate) remove: Vec<Event>,
    /// Events to put on the timeline, the earliest first.
    pub(crate) add: Vec<Event>,
}

/// The beginning of a recording whose messages are stored.
pub(crate) struct RecordingStart {
    /// Its playback.
    pub(crate) playback: Playback,
    /// Events to put on the timeline, the earliest first.
    pub(crate) add: Vec<Event>,
}
