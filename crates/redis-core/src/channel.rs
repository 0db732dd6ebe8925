//! Every Pub/Sub channel that Backplane publishes to or listens on.

use std::fmt;

use crate::Key;
use crate::id::{ChannelName, RunId};

/// The layout of a channel: `to_string()` is its name in Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel<'a> {
    /// status-proxy: the status lines of one channel of a run.
    Status(&'a RunId, &'a ChannelName),
    /// status-proxy: pattern, every channel that can be a status channel.
    StatusPattern,
    /// status-proxy: epochs, by which all instances number lines alike. It is not a status channel.
    StatusEpochs,
    /// status-proxy: the same on a Cluster, where all who are subscribed at this node number lines alike.
    StatusEpochsAt(&'a str),
    /// status-proxy: an instance publishes here to itself, to check its subscriptions.
    StatusProbe(&'a str),
    /// preflight: keyspace notifications of a key in a database.
    Keyspace(u8, Key<'a>),
    /// scenario-player: the timeline changed; the payload says from when on.
    TimelineChanged,
    /// scenario-player: steps that were published.
    TimelinePublished,
    /// object-store: there is a notification for this node about what it waits for.
    ObjectNode {
        /// `key_prefix` of the configuration.
        prefix: &'a str,
        /// The node's name.
        node: &'a str,
    },
}

impl fmt::Display for Channel<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Channel::Status(run, channel) => write!(f, "{run}:{channel}"),
            Channel::StatusPattern => f.write_str("*:*"),
            Channel::StatusEpochs => f.write_str("status-proxy/marks"),
            Channel::StatusEpochsAt(node) => write!(f, "status-proxy/marks/{node}"),
            Channel::StatusProbe(instance) => write!(f, "status-proxy/probe/{instance}"),
            Channel::Keyspace(db, key) => write!(f, "__keyspace@{db}__:{key}"),
            Channel::TimelineChanged => f.write_str("TIMELINE:CHANGED"),
            Channel::TimelinePublished => f.write_str("TIMELINE:PUBLISHED"),
            Channel::ObjectNode { prefix, node } => write!(f, "{prefix}_meta:node:{node}"),
        }
    }
}

#[cfg(test)]
mod tests;
