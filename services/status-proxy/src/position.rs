//! How far an instance has read the stream of all lines.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::line::LineId;

/// How far this instance has read.
#[derive(Clone, Default)]
pub(crate) struct StreamPosition {
    /// The id of the last line.
    pub(crate) latest: LineId,
    /// With history in Redis: this instance has received every line since this epoch.
    pub(crate) complete_since: u64,
    /// On a Cluster, with history in Redis.
    pub(crate) order: Order,
}

/// The position, shared with those who must know whether a certain line has been read.
pub(crate) type SharedPosition = Arc<Mutex<StreamPosition>>;

/// The epochs that have begun in the order in which one node of a Cluster tells of lines. An id of another epoch is that of a line in
/// the order of another node, where an instance was that could not reach this one.
#[derive(Clone, Default)]
pub(crate) struct Order {
    node: Arc<str>,
    epochs: VecDeque<u64>,
}

impl Order {
    /// An epoch has begun in the order of this node. Epochs that are older than `max_age_ms` are forgotten.
    pub(crate) fn note(&mut self, node: &Arc<str>, epoch: u64, max_age_ms: u64) {
        if self.node != *node {
            *self = Self { node: node.clone(), epochs: VecDeque::new() };
        }
        self.epochs.push_back(epoch);
        while self.epochs.front().is_some_and(|first| first.saturating_add(max_age_ms) < epoch) {
            self.epochs.pop_front();
        }
    }

    /// Whether a line of this epoch can be in this order. Of lines from before it nothing is known here: the recording knows.
    pub(crate) fn may_have(&self, epoch: u64) -> bool {
        self.epochs.front().is_none_or(|first| epoch < *first) || self.epochs.binary_search(&epoch).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_of_another_nodes_order_is_told_from_those_of_this_one() {
        let mut order = Order::default();
        assert!(order.may_have(7), "on one Redis there is one order");
        let (a, b): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
        [10, 20, 30].into_iter().for_each(|epoch| order.note(&a, epoch, 15));
        assert_eq!([10, 20, 25, 30].map(|epoch| order.may_have(epoch)), [true, true, false, true]);
        assert_eq!(order.epochs, [20, 30]);
        order.note(&b, 40, 15);
        assert_eq!([30, 35, 40, 41].map(|epoch| order.may_have(epoch)), [true, true, true, false]);
    }
}
