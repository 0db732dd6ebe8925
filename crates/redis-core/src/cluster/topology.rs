use std::sync::Arc;

use fred::types::config::Server;

use super::view::NodeId;
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
    /// All nodes, primaries first.
    pub(crate) members: Arc<[Member]>,
}

/// A node of a Cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) id: NodeId,
    pub(crate) server: Server,
    /// Its own id, or that of its primary.
    pub(crate) primary: NodeId,
    /// Whether most primaries call it down.
    pub(crate) is_down: bool,
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

    /// The nodes that are not down, primaries first.
    pub(crate) fn living(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(|member| !member.is_down)
    }

    /// The nodes that are not down and are not of the shard that has this slot, in an order that is the same for everybody. Only if
    /// there are none, those of that shard.
    pub(crate) fn apart_from(&self, slot: u16) -> Vec<&Member> {
        let owner = self.shard_of(slot).and_then(Shard::server);
        let owner = self.members.iter().find(|member| Some(&member.server) == owner);
        // A primary without slots may have been that shard's a moment ago.
        let has_slots = |member: &Member| {
            member.primary != member.id
                || self.shards.iter().any(|shard| shard.server() == Some(&member.server))
        };
        let is_apart =
            |member: &&Member| owner.is_none_or(|owner| member.primary != owner.id) && has_slots(member);
        let mut nodes: Vec<&Member> = self.living().filter(is_apart).collect();
        if nodes.is_empty() {
            nodes = self.living().collect();
        }
        nodes.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        nodes
    }

    /// The primary at this address.
    pub(crate) fn primary_at(&self, server: &Server) -> Option<&Shard> {
        self.primaries.iter().find(|shard| shard.server() == Some(server))
    }
}
