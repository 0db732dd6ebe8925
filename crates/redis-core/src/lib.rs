#![doc = include_str!("../README.md")]

mod builder;
pub mod catalog;
pub mod channel;
mod check;
mod cluster;
mod config;
pub mod connect;
pub mod error;
mod follow;
pub mod id;
pub mod key;
mod key_scan;
mod layout;
mod needs;
mod partition;
mod pubsub;
mod redis;
mod replicas;
mod shard;
mod sharded;
mod single_connection;
mod state;
mod subscriber;
#[cfg(test)]
mod tables;
mod watcher;

pub use channel::Channel;
pub use cluster::Topology;
pub use config::{ConfigError, RedisConfig};
pub use connect::{ConnectError, Connection};
pub use error::{ErrorClass, RedisError};
pub use key::Key;
pub use key_scan::KeyScan;
pub use layout::Layout;
pub use needs::Needs;
pub use partition::Partition;
pub use pubsub::PubSubConnection;
pub use redis::Redis;
pub use replicas::WaitReplicas;
pub use shard::Shard;
pub use sharded::{ShardedEvent, ShardedPubSub};
pub use state::{State, publish_state, state_of_shards};
pub use subscriber::Subscriber;
