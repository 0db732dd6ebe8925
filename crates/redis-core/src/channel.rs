//! Every Pub/Sub channel that Backplane publishes to or listens on.

use std::fmt;

use crate::id::{ChannelName, RunId};
use crate::key::in_partition;
use crate::{Key, Layout, Partition};

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
    /// scenario-player: the timeline changed; the payload says how. On one Redis one for all partitions.
    TimelineChanged(Partition),
    /// scenario-player: steps that were published.
    TimelinePublished,
    /// scenario-player: an instance listens to what is published. On a Cluster, whose nodes do not know that of each other.
    TimelineListening,
    /// object-store: there is a notification for this node about what it waits for.
    ObjectNode {
        /// `key_prefix` of the configuration.
        prefix: &'a str,
        /// The node's name.
        node: &'a str,
    },
}

impl Channel<'_> {
    /// Its name in this layout.
    pub fn name(&self, layout: Layout) -> String {
        match (layout, self) {
            (Layout::Cluster, Channel::TimelineChanged(partition)) => in_partition(*partition, self),
            _ => self.to_string(),
        }
    }
}

/// The name on one Redis.
impl fmt::Display for Channel<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Channel::Status(run, channel) => write!(f, "{run}:{channel}"),
            Channel::StatusPattern => f.write_str("*:*"),
            Channel::StatusEpochs => f.write_str("status-proxy/marks"),
            Channel::StatusEpochsAt(node) => write!(f, "status-proxy/marks/{node}"),
            Channel::StatusProbe(instance) => write!(f, "status-proxy/probe/{instance}"),
            Channel::Keyspace(db, key) => write!(f, "__keyspace@{db}__:{key}"),
            Channel::TimelineChanged(_) => f.write_str("TIMELINE:CHANGED"),
            Channel::TimelinePublished => f.write_str("TIMELINE:PUBLISHED"),
            Channel::TimelineListening => f.write_str("TIMELINE:LISTENING"),
            Channel::ObjectNode { prefix, node } => write!(f, "{prefix}_meta:node:{node}"),
        }
    }
}

#[cfg(test)]
mod tests;
