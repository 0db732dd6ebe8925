//! The clocks of the lanes: each has that of the Redis which has its keys.

use crate::clock::Clock;
use crate::lanes::{Lane, Lanes};
use crate::time::EpochMicros;

/// A clock for each lane.
pub(crate) struct LaneClocks {
    lanes: Lanes,
    clocks: Vec<Clock>,
}

impl LaneClocks {
    pub(crate) fn new(lanes: Lanes) -> Self {
        Self { lanes, clocks: lanes.iter().map(|_| Clock::new()).collect() }
    }

    pub(crate) fn of(&self, lane: Lane) -> &Clock {
        &self.clocks[lane.number()]
    }

    /// That of the lane of a customer or a recording.
    pub(crate) fn of_owner(&self, owner: &str) -> &Clock {
        self.of(self.lanes.of(owner))
    }

    /// The time by the first lane's clock, for what is about all.
    pub(crate) fn now(&self) -> EpochMicros {
        self.clocks.first().map(Clock::now).unwrap_or_default()
    }
}
