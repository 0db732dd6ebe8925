//! One run that has viewers, or had some a moment ago.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use ws_server::{Recipients, Transport};

use crate::read_scheduler::ReadScheduler;

/// How long a run without viewers stays subscribed. A page that is reloaded meanwhile needs no new
/// subscription.
const LINGER: Duration = Duration::from_secs(10);

/// A run, its viewers, and the checklist that they were sent last.
pub(crate) struct WatchedRun {
    pub(crate) viewers: Recipients,
    pub(crate) scheduler: ReadScheduler,
    /// The epoch of the connection that is subscribed to the run, if one is.
    pub(crate) subscribed_epoch: Option<u64>,
    /// When the run is read next if no change is reported.
    pub(crate) recheck_at: Instant,
    /// The frame that viewers were sent last. `None` before the first read and while there are no viewers.
    last_frame: Option<Bytes>,
    last_left_at: Instant,
}

impl WatchedRun {
    pub(crate) fn new(now: Instant, recheck_at: Instant) -> Self {
        Self {
            viewers: Recipients::default(),
            scheduler: ReadScheduler::default(),
            subscribed_epoch: None,
            recheck_at,
            last_frame: None,
            last_left_at: now,
        }
    }

    /// The frame that a new viewer is sent at once.
    pub(crate) fn last_frame(&self) -> Option<&Bytes> {
        self.last_frame.as_ref()
    }

    /// Stores a new checklist message. Returns its frame if viewers have to be sent it: if it differs from
    /// the last.
    pub(crate) fn update(&mut self, message: &str) -> Option<Bytes> {
        let mut frame = BytesMut::with_capacity(message.len() + 4);
        Transport::WebSocket.encode(&mut frame, None, message);
        if self.viewers.is_empty() || self.last_frame.as_ref().is_some_and(|last| *last == frame) {
            return None;
        }
        self.last_frame = Some(frame.freeze());
        self.last_frame.clone()
    }

    /// Removes a viewer. After the last one the frame is forgotten: nobody keeps it current any more.
    pub(crate) fn leave(&mut self, viewer_id: usize, now: Instant) {
        self.viewers.remove(viewer_id);
        self.last_left_at = now;
        if self.viewers.is_empty() {
            self.last_frame = None;
        }
    }

    /// Whether the run has had no viewers for so long that its subscription can end.
    pub(crate) fn is_expired(&self, now: Instant) -> bool {
        self.viewers.is_empty() && now >= self.last_left_at + LINGER
    }
}
