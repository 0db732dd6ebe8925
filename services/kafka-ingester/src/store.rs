//! Everything that this service does in Redis. Only the files below this one speak Redis.

mod dead_letters;
mod failure;
mod ids;
mod memory;
mod message_script;
mod needs;
mod outcome;
mod owner;
mod partitions;
mod replay;
mod shards;

use redis_core::{Redis, WaitReplicas};

use crate::config::WriteConfig;

pub use dead_letters::{DeadLetter, DeadLetterStore, NO_ENTRY};
pub use failure::StoreFailure;
pub use memory::RedisMemory;
pub use needs::needs;
pub use outcome::{BatchOutcome, Claim, Counts, StoredPosition};
pub use owner::Owner;
pub use partitions::PartitionStore;
pub use replay::ReplayOutcome;

/// All parts of the store. They share the connections.
pub struct Stores {
    /// Offsets, and the messages that go with them.
    pub partitions: PartitionStore,
    /// Messages that could not be applied.
    pub dead_letters: DeadLetterStore,
    /// How full Redis is.
    pub memory: RedisMemory,
}

impl Stores {
    /// The stores of a consumer group.
    pub fn new(redis: &Redis, group: &str, write: &WriteConfig, wait: WaitReplicas) -> Self {
        Self {
            partitions: PartitionStore::new(redis.clone(), group, write, wait),
            dead_letters: DeadLetterStore::new(redis.clone()),
            memory: RedisMemory::new(redis.clone()),
        }
    }
}
