//! One run that somebody watches, or did a moment ago.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use ws_server::{Audience, Transport};

use crate::pace::Pace;

/// How long a run without viewers stays subscribed to: a page that is loaded again finds it so.
const LINGER: Duration = Duration::from_secs(10);

/// A run, its viewers, and what they were last sent.
pub(crate) struct Topic {
    pub(crate) audience: Audience,
    pub(crate) pace: Pace,
    /// The connection on which its changes are subscribed to, if any, by the hub's count.
    pub(crate) subscribed_on: Option<u64>,
    /// When it is read without a change being told.
    pub(crate) check_at: Instant,
    /// What viewers were sent last; nothing before the first read and without viewers.
    frame: Option<Bytes>,
    left_at: Instant,
}

impl Topic {
    pub(crate) fn new(now: Instant, check_at: Instant) -> Self {
        Self {
            audience: Audience::default(),
            pace: Pace::default(),
            subscribed_on: None,
            check_at,
            frame: None,
            left_at: now,
        }
    }

    /// What a new viewer is sent at once.
    pub(crate) fn frame(&self) -> Option<&Bytes> {
        self.frame.as_ref()
    }

    /// Takes a new answer. `Some` if it differs from the last: it has to be sent.
    pub(crate) fn update(&mut self, answer: &str) -> Option<Bytes> {
        let mut frame = BytesMut::with_capacity(answer.len() + 4);
        Transport::WebSocket.encode(&mut frame, None, answer);
        if self.audience.is_empty() || self.frame.as_ref().is_some_and(|last| *last == frame) {
            return None;
        }
        self.frame = Some(frame.freeze());
        self.frame.clone()
    }

    /// A viewer has left. After the last one nothing is remembered: who comes next gets what is read then.
    pub(crate) fn leave(&mut self, seat: usize, now: Instant) {
        self.audience.remove(seat);
        self.left_at = now;
        if self.audience.is_empty() {
            self.frame = None;
        }
    }

    /// Whether nobody has watched it for so long that it may be forgotten.
    pub(crate) fn is_over(&self, now: Instant) -> bool {
        self.audience.is_empty() && now >= self.left_at + LINGER
    }
}
