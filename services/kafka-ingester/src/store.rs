//! Everything that this service does in Redis. Only the files below this one speak Redis.

mod dead_letters;
mod failure;
mod memory;
mod message_script;
mod needs;
mod outcome;
mod partitions;

use fred::clients::Pool;
use redis_core::WaitReplicas;

use crate::config::WriteConfig;

pub use dead_letters::{DeadLetter, DeadLetterStore, NO_ENTRY, ReplayOutcome};
pub use failure::StoreFailure;
pub use memory::RedisMemory;
pub use needs::needs;
pub use outcome::{BatchOutcome, Claim, Counts, StoredPosition};
pub use partitions::PartitionStore;

/// All parts of the store. They share one pool of connections.
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
    pub fn new(pool: &Pool, group: &str, write: &WriteConfig, wait: WaitReplicas) -> Self {
        Self {
            partitions: PartitionStore::new(pool.clone(), group, write, wait),
            dead_letters: DeadLetterStore::new(pool.clone()),
            memory: RedisMemory::new(pool.clone()),
        }
    }
}
