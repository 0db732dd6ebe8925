//! Whether somebody listens to published events, at whatever node of a Redis Cluster.
//!
//! A node knows its own subscribers only. So an instance whose `/events` is being read says so to all, again and again.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// What was heard of listeners.
#[derive(Default)]
pub(super) struct Listeners(Mutex<Option<Instant>>);

impl Listeners {
    /// An instance has said that somebody listens.
    pub(super) fn heard(&self) {
        *self.0.lock() = Some(Instant::now());
    }

    /// Whether one said so a short time ago.
    pub(super) fn are_there(&self) -> bool {
        self.0.lock().is_some_and(|heard_at| heard_at.elapsed() < LISTENING)
    }
}

/// How long it counts that an instance has said so. Several times that between two.
const LISTENING: Duration = Duration::from_secs(3);
