use std::sync::Arc;

use fred::types::config::Server;

use crate::Shard;
use crate::key::HASH_SLOTS;

/// Which shard has which hash slots at one time. One Redis is a single shard with all slots.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Topology {
    /// The shards that have slots.
    pub(crate) shards: Arc<[Shard]>,
    /// By slot, the place of its shard.
    pub(super) places: Arc<[Option<u16>]>,
    /// All primaries, also those without a slot.
    pub(super) primaries: Arc<[Shard]>,
    /// All nodes that are not down, primaries first.
    pub(crate) servers: Arc<[Server]>,
}

impl Topology {
    /// That of one Redis.
    pub(crate) fn one(shard: Shard) -> Self {
        let places = vec![Some(0); usize::from(HASH_SLOTS)].into();
        Self { shards: Arc::from([shard]), places, ..Self::default() }
    }

    /// The shards that have slots. Empty as long as the Cluster was never reached.
    pub fn shards(&self) -> &[Shard] {
        &self.shards
    }

    /// The shard that has this slot.
    pub fn shard_of(&self, slot: u16) -> Option<&Shard> {
        let place = self.places.get(usize::from(slot)).copied().flatten()?;
        self.shards.get(usize::from(place))
    }

    /// Whether every slot is where it is in the other.
    pub fn has_same_slots(&self, other: &Self) -> bool {
        (&self.shards, &self.places) == (&other.shards, &other.places)
    }

    /// The primary at this address.
    pub(crate) fn primary_at(&self, server: &Server) -> Option<&Shard> {
        self.primaries.iter().find(|shard| shard.server() == Some(server))
    }
}
