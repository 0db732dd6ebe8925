//! Telling processes apart.

use std::hash::{BuildHasher, RandomState};

/// A number that no other process has, and that this one is not given again: from the seeds that the standard library
/// draws for its maps, which saves a dependency.
pub fn number() -> u64 {
    RandomState::new().hash_one(std::process::id())
}
