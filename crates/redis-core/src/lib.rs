#![doc = include_str!("../README.md")]

pub mod channel;
mod config;
pub mod connect;
pub mod id;
pub mod key;

pub use channel::Channel;
pub use config::RedisConfig;
pub use connect::{ConnectError, Connection, State};
pub use fred::error::Error as RedisError;
pub use key::Key;
