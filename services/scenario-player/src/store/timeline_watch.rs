//! Redis says when the timeline is written, whoever writes it: by client-side caching (`CLIENT TRACKING`).
//!
//! A client that tracks is told once when a key that it has read changes, and must read it again to be told of the next
//! change. That is done after a pause, so that a busy timeline costs two commands a second, and an idle one none.
//!
//! On a Redis Cluster each node would have to be asked. There nobody else writes the timeline, and it is not done.

use std::time::Duration;

use fred::clients::Client;
use fred::interfaces::{SortedSetsInterface, TrackingInterface};
use redis_core::error::reason;
use redis_core::{Key, Layout, Partition};
use tokio::time::Instant;
use tracing::warn;

/// Whether Redis is to tell of the next change.
pub(super) struct TimelineWatch {
    is_possible: bool,
    /// When the timeline must be read again for that. `None`: it is being watched, or cannot be.
    arm_at: Option<Instant>,
    has_warned: bool,
}

impl TimelineWatch {
    pub(super) fn of(layout: Layout) -> Self {
        Self { is_possible: layout == Layout::One, arm_at: None, has_warned: false }
    }

    pub(super) fn is_possible(&self) -> bool {
        self.is_possible
    }

    /// Starts to track, on a new connection.
    pub(super) async fn start(&mut self, client: &Client) {
        if !self.is_possible {
            return;
        }
        let no_prefixes = Vec::<String>::new();
        match client.start_tracking(no_prefixes, false, false, false, false).await {
            Ok(()) => self.arm_at = Some(Instant::now()),
            Err(error) => {
                self.arm_at = None;
                if !std::mem::replace(&mut self.has_warned, true) {
                    let reason = reason(&error);
                    warn!(
                        "redis does not say when the timeline is written, so an idle instance finds what other programs \
                         put there within 20 s: CLIENT TRACKING: {reason}"
                    );
                }
            }
        }
    }

    /// Redis told of a change.
    pub(super) fn on_written(&mut self) {
        self.arm_at = Some(Instant::now() + PAUSE);
    }

    /// Waits until it is time to [`arm`](Self::arm).
    pub(super) async fn is_due(&self) {
        match self.arm_at {
            Some(at) => tokio::time::sleep_until(at).await,
            None => std::future::pending().await,
        }
    }

    /// Reads the timeline, so that Redis tells of its next change.
    pub(super) async fn arm(&mut self, client: &Client) {
        let read = client.zcard::<u64, _>(Key::Timeline(Partition::numbered(0)).to_string()).await;
        // A connection that is lost is followed by a new one.
        self.arm_at = read.is_err().then(|| Instant::now() + PAUSE);
    }
}

/// From one change to the moment when the next can be told of.
const PAUSE: Duration = Duration::from_millis(500);
