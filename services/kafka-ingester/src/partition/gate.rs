//! A condition of readiness that each partition may break by itself.

use std::collections::{BTreeMap, BTreeSet};

use chassis::Gate;
use parking_lot::Mutex;

use crate::topic_partition::TopicPartition;

/// A gate that is closed while it is closed for any partition.
pub(crate) struct PartitionGate {
    gate: Gate,
    reasons: Mutex<BTreeMap<TopicPartition, String>>,
}

impl PartitionGate {
    /// A gate that is open.
    pub(crate) fn new(gate: Gate) -> Self {
        gate.open();
        Self { gate, reasons: Mutex::default() }
    }

    /// The condition does not hold for a partition.
    pub(crate) fn close(&self, partition: &TopicPartition, reason: String) {
        let mut reasons = self.reasons.lock();
        reasons.insert(partition.clone(), reason);
        self.gate.close(describe(&reasons));
    }

    /// The condition holds for a partition, or the partition is not assigned any more.
    pub(crate) fn open(&self, partition: &TopicPartition) {
        let mut reasons = self.reasons.lock();
        if reasons.remove(partition).is_none() {
            return;
        }
        if reasons.is_empty() {
            self.gate.open();
        } else {
            self.gate.close(describe(&reasons));
        }
    }
}

/// Each reason once: usually all partitions have the same.
fn describe(reasons: &BTreeMap<TopicPartition, String>) -> String {
    let distinct: BTreeSet<&str> = reasons.values().map(String::as_str).collect();
    let shown: Vec<&str> = distinct.iter().copied().take(MAX_SHOWN).collect();
    match distinct.len().saturating_sub(MAX_SHOWN) {
        0 => shown.join("; "),
        more => format!("{}; and {more} more", shown.join("; ")),
    }
}

const MAX_SHOWN: usize = 3;

#[cfg(test)]
mod tests {
    use chassis::Readiness;
    use chassis::readiness::Ready;

    use super::*;

    #[test]
    fn it_is_closed_while_a_partition_closes_it() {
        let readiness = Readiness::default();
        let gate = PartitionGate::new(readiness.gate("writing"));
        let partition = |partition| TopicPartition { topic: "t".to_owned(), partition };
        let closed = |reason: &str| Ready::No(vec![format!("writing: {reason}")]);
        assert_eq!(readiness.now(), Ready::Yes(vec![]));
        gate.close(&partition(0), "full".to_owned());
        gate.close(&partition(1), "full".to_owned());
        assert_eq!(readiness.now(), closed("full"));
        for number in 2..6 {
            gate.close(&partition(number), format!("key {number}"));
        }
        assert_eq!(readiness.now(), closed("full; key 2; key 3; and 2 more"));
        for number in [0, 2, 3, 4, 5] {
            gate.open(&partition(number));
        }
        assert_eq!(readiness.now(), closed("full"));
        gate.open(&partition(1));
        assert_eq!(readiness.now(), Ready::Yes(vec![]));
    }
}
