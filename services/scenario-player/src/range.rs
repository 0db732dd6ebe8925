//! Reading the timeline: a range of due times, and the events in it.

use std::sync::Arc;

use bytes::Bytes;

use crate::event::Event;
use crate::event_trace::EventTrace;
use crate::message::Message;

/// Which events to read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RangeQuery {
    /// Events due at this time or later (ms).
    pub(crate) from_ms: i64,
    /// And no later than this (ms).
    pub(crate) until_ms: i64,
    /// At most this many.
    pub(crate) limit: usize,
    /// Where the timeline starts (ms). Earlier events are not played.
    pub(crate) start_ms: i64,
}

/// How long before it is due an event is read (ms). Longer than usual delays of Redis, and so short that a change of a playback
/// can wait for it.
pub(crate) const PREFETCH_MS: i64 = 100;

/// The events that a [`RangeQuery`] found. They stay on the timeline.
#[derive(Debug, Default)]
pub(crate) struct Page {
    /// The time by the timeline's clock (ms).
    pub(crate) now_ms: f64,
    /// How often events were added to the timeline or moved. When it has changed, events may have appeared before the
    /// reader's cursor, so the reader begins again.
    pub(crate) changes: u64,
    /// In the order they are due.
    pub(crate) events: Vec<ClaimedEvent>,
    /// When the first event since the start of the timeline is or was due, of any partition (ms).
    pub(crate) first_due_ms: Option<i64>,
    /// Whether the limit was reached, so that the range may hold more.
    pub(crate) is_full: bool,
    /// When the first event after the range is due (ms).
    pub(crate) next_due_ms: Option<i64>,
}

/// An event that this instance has read in order to publish it.
#[derive(Debug, Clone)]
pub(crate) struct ClaimedEvent {
    /// When it is due (ms).
    pub(crate) due_ms: i64,
    /// The partition of its customer.
    pub(crate) partition: usize,
    /// The event.
    pub(crate) event: Event,
    /// The member of the sorted set in Redis, exactly as it was read, to be removed by. Empty in the memory backend.
    pub(crate) member: Bytes,
    /// The message, if the event is one of a recording, once it was looked up. `None` then: the recording is gone.
    pub(crate) message: Option<Arc<Message>>,
    /// The trace that it belongs to, if requests are traced, once it was looked up.
    pub(crate) trace: Option<Arc<EventTrace>>,
}
