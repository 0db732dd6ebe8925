//! The topology of a Redis Cluster, and connections that follow it.
//!
//! fred can be a Cluster's client itself. It is not used so: while one node is away it sends to no other node either, and it
//! follows ASK to the node that said it. So each shard has a pool of its own, and this module knows which shard has a slot.

mod follower;
mod redirect;
mod slot_map;
mod topology;
mod view;

pub(crate) use self::follower::{Follower, first_view};
pub(crate) use self::redirect::Redirect;
pub use self::topology::Topology;
pub(crate) use self::view::NodeId;
