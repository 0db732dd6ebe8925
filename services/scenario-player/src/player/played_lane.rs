//! What the player needs to publish the events of one lane.

use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc, watch};

use crate::assignment::Assignment;
use crate::clock::Clock;
use crate::lane_clocks::LaneClocks;
use crate::lanes::Lane;
use crate::range::ClaimedEvent;
use crate::settled::Settled;

/// A lane, as the player sees it.
pub(crate) struct PlayedLane {
    pub(crate) lane: Lane,
    pub(crate) clocks: Arc<LaneClocks>,
    /// The instance name under which its events were read.
    pub(crate) instance: Arc<str>,
    pub(crate) assignment: watch::Receiver<Assignment>,
    /// Where its events come from.
    pub(crate) pages: mpsc::Receiver<Vec<ClaimedEvent>>,
    /// From so many waiting events on no further page is taken.
    pub(crate) max_waiting: usize,
    /// Where events go that the broker has decided about: to the acker.
    pub(crate) settled: mpsc::UnboundedSender<Settled>,
    /// One permit for each event that may be published and still on the timeline.
    pub(crate) permits: Arc<Semaphore>,
}

impl PlayedLane {
    pub(super) fn clock(&self) -> &Clock {
        self.clocks.of(self.lane)
    }

    pub(super) fn now_ms(&self) -> f64 {
        self.clock().now_ms()
    }

    /// Takes a permit to publish an event now. False without a valid lease: under a new name all waiting events may belong to other
    /// instances, and the reader is about to release them. And false while the acker must take other events off the timeline first.
    pub(super) fn take_permit(&mut self) -> bool {
        let may_publish = {
            let assignment = self.assignment.borrow_and_update();
            assignment.is_valid() && assignment.instance == self.instance
        };
        may_publish && self.forget_permit()
    }

    /// Takes a permit that the acker gives back. Whether there was one.
    pub(super) fn forget_permit(&self) -> bool {
        self.permits.try_acquire().map(|permit| permit.forget()).is_ok()
    }

    pub(super) fn give_back_permit(&self) {
        self.permits.add_permits(1);
    }
}
