//! Whether there is anything to publish soon.

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::lanes::{Lane, Lanes};

/// In which lanes there is work. As long as there is any, this instance holds a lease on every lane.
pub(crate) struct Work {
    lanes: Mutex<Vec<bool>>,
    any: watch::Sender<bool>,
}

impl Work {
    pub(crate) fn new(lanes: Lanes) -> Self {
        Self { lanes: Mutex::new(vec![false; lanes.count()]), any: watch::Sender::new(false) }
    }

    pub(crate) fn set(&self, lane: Lane, has_work: bool) {
        let mut lanes = self.lanes.lock();
        lanes[lane.number()] = has_work;
        let any = lanes.contains(&true);
        self.any.send_if_modified(|old| std::mem::replace(old, any) != any);
    }

    pub(crate) fn is_in(&self, lane: Lane) -> bool {
        self.lanes.lock()[lane.number()]
    }

    /// Whether any lane has work.
    pub(crate) fn any(&self) -> watch::Receiver<bool> {
        self.any.subscribe()
    }
}

/// Whether a lane has work at `now_ms`, if its first event is due then: also one of another instance, which may be about to fail. And
/// when the clock was set back below the start of the timeline: to join moves the start back.
pub(crate) fn has_work(first_due_ms: Option<i64>, now_ms: f64, start_ms: i64) -> bool {
    let now_ms = now_ms as i64;
    now_ms < start_ms || first_due_ms.is_some_and(|due_ms| due_ms.saturating_sub(now_ms) < JOIN_AHEAD_MS)
}

/// An instance without work joins this long before the next event is due.
pub(crate) const JOIN_AHEAD_MS: i64 = 6_000;
