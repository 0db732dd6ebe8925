//! Every Pub/Sub channel that Backplane publishes to or listens on.

use std::fmt;

use crate::Key;
use crate::id::{ChannelName, IdError, RunId};

/// The layout of a channel: `to_string()` is its name in Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel<'a> {
    /// status-proxy: the status lines of one channel of a run.
    Status(&'a RunId, &'a ChannelName),
    /// status-proxy: pattern, all that could be status channels.
    EveryStatus,
    /// status-proxy: marks, by which all instances count lines alike. It is no status channel.
    StatusMarks,
    /// status-proxy: what an instance publishes to hear itself.
    StatusProbe(&'a str),
    /// kafka-ingester: the key itself, after its values changed.
    Changed(Key<'a>),
    /// preflight: keyspace notifications of a key in a database.
    Keyspace(u8, Key<'a>),
    /// scenario-player: the timeline changed; the payload says from when on.
    TimelineChanged,
    /// scenario-player: steps that were published.
    TimelinePublished,
    /// object-store: there is something to read about what this node waits for.
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
            Channel::EveryStatus => f.write_str("*:*"),
            Channel::StatusMarks => f.write_str("status-proxy/marks"),
            Channel::StatusProbe(instance) => write!(f, "status-proxy/probe/{instance}"),
            Channel::Changed(key) => write!(f, "{key}"),
            Channel::Keyspace(db, key) => write!(f, "__keyspace@{db}__:{key}"),
            Channel::TimelineChanged => f.write_str("TIMELINE:CHANGED"),
            Channel::TimelinePublished => f.write_str("TIMELINE:PUBLISHED"),
            Channel::ObjectNode { prefix, node } => write!(f, "{prefix}_meta:node:{node}"),
        }
    }
}

/// The run whose hash changed, from the name of a keyspace notification's channel (`__keyspace@0__:<run id>`).
///
/// # Errors
/// When the key is no run id: another key of the same database.
pub fn run_of_keyspace_event(channel: &str) -> Result<RunId, IdError> {
    RunId::parse(channel.split_once("__:").map_or("", |(_, key)| key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_channel_is_the_literal_text_of_its_contract() {
        let run = RunId::parse("upset;;reckoning").unwrap();
        let wepp = ChannelName::parse("wepp").unwrap();
        assert_eq!(Channel::Status(&run, &wepp).to_string(), "upset;;reckoning:wepp");
        assert_eq!(Channel::EveryStatus.to_string(), "*:*");
        assert_eq!(Channel::StatusMarks.to_string(), "status-proxy/marks");
        assert_eq!(Channel::StatusProbe("i1").to_string(), "status-proxy/probe/i1");
        assert_eq!(Channel::Changed(Key::Battery("7")).to_string(), "battery:7:data");
        assert_eq!(Channel::Keyspace(0, Key::Run(&run)).to_string(), "__keyspace@0__:upset;;reckoning");
        assert_eq!(Channel::TimelineChanged.to_string(), "TIMELINE:CHANGED");
        assert_eq!(Channel::TimelinePublished.to_string(), "TIMELINE:PUBLISHED");
        let node = Channel::ObjectNode { prefix: "scaler:obj:", node: "7f" };
        assert_eq!(node.to_string(), "scaler:obj:_meta:node:7f");
    }

    #[test]
    fn a_keyspace_event_names_its_run() {
        assert_eq!(run_of_keyspace_event("__keyspace@0__:run-1").unwrap().as_str(), "run-1");
        assert!(run_of_keyspace_event("__keyspace@0__:games:1").is_err());
        assert!(run_of_keyspace_event("run-1").is_err());
    }
}
