use redis_core::{Shard, Topology};

use crate::batch::ShardPart;
use crate::store::failure::StoreFailure;

/// What each shard gets.
pub(super) struct Parts<'a> {
    topology: &'a Topology,
    /// In the order of the shards.
    parts: Vec<ShardPart>,
}

impl<'a> Parts<'a> {
    /// Nothing for any shard yet.
    pub(super) fn new(topology: &'a Topology) -> Self {
        let parts = topology.shards().iter().map(|_| ShardPart::default()).collect();
        Self { topology, parts }
    }

    /// The part of the shard that has this slot.
    pub(super) fn at(&mut self, slot: u16) -> Result<&mut ShardPart, StoreFailure> {
        let owner = self.topology.shard_of(slot);
        let place = self.topology.shards().iter().position(|shard| Some(shard) == owner);
        place.and_then(|place| self.parts.get_mut(place)).ok_or_else(|| {
            StoreFailure::Unanswered(format!("no node of the Redis Cluster has the hash slot {slot}"))
        })
    }

    /// Those that get something.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Shard, &ShardPart)> {
        let shards = self.topology.shards();
        shards.iter().zip(&self.parts).filter(|(_, part)| !part.is_empty())
    }
}
