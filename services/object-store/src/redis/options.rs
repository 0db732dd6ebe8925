//! What the Redis backend needs to know, and its error.

use redis_core::{ConnectError, RedisConfig};

/// The settings of a store in Redis.
#[derive(Clone)]
pub struct RedisOptions {
    /// Where Redis is.
    pub redis: RedisConfig,
    /// The prefix of every key.
    pub key_prefix: String,
    /// On a Redis Cluster the number of partitions, over which its shards share the objects: 1 to 1,024. A store has the number
    /// with which it was first used. On one Redis it is not used.
    pub partitions: u16,
    /// Size of the node's cache of contents, in bytes.
    pub cache_bytes: usize,
}

/// Redis could not be used.
#[derive(Debug, thiserror::Error)]
pub enum RedisError {
    /// The address or the credentials are malformed.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// A command failed.
    #[error("redis: {}", .0.details())]
    Command(#[from] redis_core::RedisError),
    /// There was no reply in time.
    #[error("redis does not answer")]
    NoAnswer,
}
