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
            Channel::StatusProbe(instance) => write!(f, "status-proxy/probe/{instance}"),
            Channel::Keyspace(db, key) => write!(f, "__keyspace@{db}__:{key}"),
            Channel::TimelineChanged => f.write_str("TIMELINE:CHANGED"),
            Channel::TimelinePublished => f.write_str("TIMELINE:PUBLISHED"),
            Channel::ObjectNode { prefix, node } => write!(f, "{prefix}_meta:node:{node}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_channel_is_the_literal_text_of_its_contract() {
        let run = RunId::parse("upset;;reckoning").unwrap();
        let wepp = ChannelName::parse("wepp").unwrap();
        assert_eq!(Channel::Status(&run, &wepp).to_string(), "upset;;reckoning:wepp");
        assert_eq!(Channel::StatusPattern.to_string(), "*:*");
        assert_eq!(Channel::StatusEpochs.to_string(), "status-proxy/marks");
        assert_eq!(Channel::StatusProbe("i1").to_string(), "status-proxy/probe/i1");
        assert_eq!(Channel::Keyspace(0, Key::Run(&run)).to_string(), "__keyspace@0__:upset;;reckoning");
        assert_eq!(Channel::TimelineChanged.to_string(), "TIMELINE:CHANGED");
        assert_eq!(Channel::TimelinePublished.to_string(), "TIMELINE:PUBLISHED");
        let node = Channel::ObjectNode { prefix: "scaler:obj:", node: "7f" };
        assert_eq!(node.to_string(), "scaler:obj:_meta:node:7f");
    }
}
