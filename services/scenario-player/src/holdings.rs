//! How many partitions this instance has in each lane.

use parking_lot::Mutex;

use crate::lanes::{Lane, Lanes};

/// What the leases of the lanes must know of each other, so that together they take no more than a fair share.
pub(crate) struct Holdings(Mutex<Vec<Holding>>);

#[derive(Clone, Copy, Default)]
struct Holding {
    has: usize,
    /// As many as it may just be getting.
    asks_for: usize,
    /// Others had all when it last asked, or its Redis did not answer.
    is_out_of_reach: bool,
}

impl Holdings {
    pub(crate) fn new(lanes: Lanes) -> Self {
        Self(Mutex::new(vec![Holding::default(); lanes.count()]))
    }

    /// A lane is about to ask for partitions. Returns how many of other lanes come first: for what it has already, those of the
    /// lanes before it, so that each lane finds the same ones to be too many; for more, all.
    pub(crate) fn ask(&self, lane: Lane) -> usize {
        let mut holdings = self.0.lock();
        let number = lane.number();
        if holdings[number].has > 0 {
            return holdings[..number].iter().map(|holding| holding.has).sum();
        }
        // If it counted, answers that are late would keep free partitions of other lanes from being taken. Should it get one too
        // many, that is given up soon.
        let is_out_of_reach = holdings[number].is_out_of_reach;
        holdings[number].asks_for = if is_out_of_reach { 0 } else { lane.partitions().len() };
        let others = holdings.iter().enumerate().filter(|(other, _)| *other != number);
        others.map(|(_, holding)| holding.has.max(holding.asks_for)).sum()
    }

    /// A lane has so many now. `is_out_of_reach`: others have the rest, or its Redis does not answer.
    pub(crate) fn set(&self, lane: Lane, has: usize, is_out_of_reach: bool) {
        self.0.lock()[lane.number()] = Holding { has, asks_for: 0, is_out_of_reach };
    }
}

#[cfg(test)]
mod tests {
    use redis_core::Layout;

    use super::*;

    #[test]
    fn lanes_together_ask_for_no_more_than_a_share() {
        let lanes = Lanes::of_layout(Layout::Cluster);
        let holdings = Holdings::new(lanes);
        let before: Vec<usize> = lanes.iter().map(|lane| holdings.ask(lane)).collect();
        assert_eq!(before, (0..64).collect::<Vec<_>>(), "all at once");
        lanes.iter().for_each(|lane| holdings.set(lane, usize::from(lane.number() % 2 == 0), false));
        let before: Vec<usize> = lanes.iter().take(4).map(|lane| holdings.ask(lane)).collect();
        assert_eq!(before, [0, 32, 1, 33]);
        lanes.iter().skip(4).for_each(|lane| holdings.set(lane, 0, true));
        let before: Vec<usize> = lanes.iter().skip(4).map(|lane| holdings.ask(lane)).collect();
        assert_eq!(before, [4; 60], "two that it has, and two that it is still asking for");
    }

    #[test]
    fn a_single_lane_comes_first() {
        let holdings = Holdings::new(Lanes::ONE);
        let lane = Lanes::ONE.of("1");
        assert_eq!(holdings.ask(lane), 0);
        holdings.set(lane, 32, false);
        assert_eq!(holdings.ask(lane), 0);
    }
}
