#![doc = include_str!("../README.md")]

mod builder;
pub mod channel;
mod check;
mod config;
pub mod connect;
pub mod error;
mod follow;
pub mod id;
pub mod key;
mod needs;
mod pubsub;
mod replicas;
mod state;
#[cfg(test)]
mod tables;
mod watcher;

pub use channel::Channel;
pub use config::{ConfigError, RedisConfig};
pub use connect::{ConnectError, Connection};
pub use error::{ErrorClass, RedisError};
pub use key::Key;
pub use needs::Needs;
pub use pubsub::PubSubConnection;
pub use replicas::WaitReplicas;
pub use state::{State, publish_state};
