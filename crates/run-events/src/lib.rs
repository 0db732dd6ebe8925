#![doc = include_str!("../README.md")]

pub mod blocking;
mod dump;
mod error;
mod owned_redis;
mod redis_prep;
mod status_messenger;

pub use error::Error;
pub use redis_core::id::{ChannelName, IdError, RunId};
pub use redis_core::{ConfigError, RedisConfig};
pub use redis_prep::RedisPrep;
pub use status_messenger::StatusMessenger;
