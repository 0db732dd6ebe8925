//! Which node has which slot, put together from what several nodes say.

use std::ops::RangeInclusive;

use super::view::{NodeId, View};
use crate::key::HASH_SLOTS;

/// The owner of each slot. After a failover or a move some nodes still say for a while what was true before; each change has
/// a greater epoch, so of two claims the one with the greater epoch stands.
#[derive(Debug)]
pub(super) struct SlotMap(Vec<Option<Owner>>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Owner {
    node: NodeId,
    epoch: u64,
}

impl SlotMap {
    pub(super) fn new() -> Self {
        Self(vec![None; usize::from(HASH_SLOTS)])
    }

    /// Takes what a node says.
    pub(super) fn merge(&mut self, view: &View) {
        for (range, node) in &view.slots {
            let epoch = view.nodes.get(node).map_or(0, |node| node.epoch);
            for slot in range.clone().filter(|slot| *slot < HASH_SLOTS) {
                let owner = &mut self.0[usize::from(slot)];
                let is_older = |known: &Owner| known.epoch > epoch && view.nodes.contains_key(&known.node);
                if !owner.as_ref().is_some_and(is_older) {
                    *owner = Some(Owner { node: node.clone(), epoch });
                }
            }
        }
    }

    /// The owner of each slot, in order.
    pub(super) fn owners(&self) -> impl Iterator<Item = Option<&NodeId>> {
        self.0.iter().map(|owner| owner.as_ref().map(|owner| &owner.node))
    }

    /// The slots that nobody has.
    pub(super) fn gaps(&self) -> Vec<RangeInclusive<u16>> {
        let mut gaps: Vec<RangeInclusive<u16>> = Vec::new();
        let free = (0..HASH_SLOTS).zip(&self.0).filter(|(_, owner)| owner.is_none());
        for (slot, _) in free {
            match gaps.last_mut() {
                Some(last) if *last.end() + 1 == slot => *last = *last.start()..=slot,
                _ => gaps.push(slot..=slot),
            }
        }
        gaps
    }
}

#[cfg(test)]
mod tests {
    use fred::types::config::Server;

    use super::super::view::Node;
    use super::*;

    fn view(claims: &[(RangeInclusive<u16>, &str)], epochs: &[(&str, u64)]) -> View {
        let node = |(id, epoch): &(&str, u64)| {
            let server = Server::new("127.0.0.1", 7000);
            (
                NodeId::from(*id),
                Node { server, epoch: *epoch, is_primary: true, primary: None, is_down: false },
            )
        };
        View {
            slots: claims.iter().map(|(range, id)| (range.clone(), NodeId::from(*id))).collect(),
            nodes: epochs.iter().map(node).collect(),
        }
    }

    fn owner(map: &SlotMap, slot: usize) -> Option<&str> {
        map.owners().nth(slot).flatten().map(|node| &**node)
    }

    #[test]
    fn an_older_claim_does_not_take_a_slot_back() {
        let mut map = SlotMap::new();
        map.merge(&view(&[(0..=9, "a")], &[("a", 1)]));
        map.merge(&view(&[(0..=9, "b")], &[("a", 1), ("b", 2)]));
        map.merge(&view(&[(0..=9, "a")], &[("a", 1), ("b", 2)]));
        assert_eq!(owner(&map, 5), Some("b"));
    }

    #[test]
    fn a_slot_of_a_node_that_is_forgotten_goes_to_whoever_claims_it() {
        let mut map = SlotMap::new();
        map.merge(&view(&[(0..=9, "a")], &[("a", 7)]));
        map.merge(&view(&[(0..=4, "b")], &[("b", 1)]));
        assert_eq!((owner(&map, 4), owner(&map, 5)), (Some("b"), Some("a")));
    }

    #[test]
    fn slots_that_nobody_has_are_named() {
        let mut map = SlotMap::new();
        map.merge(&view(&[(0..=9, "a"), (12..=16_382, "a")], &[("a", 1)]));
        assert_eq!(map.gaps(), [10..=11, 16_383..=16_383]);
    }
}
