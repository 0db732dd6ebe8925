//! Telling processes apart.

use std::hash::{BuildHasher, RandomState};

/// A random number for naming this process or something that it makes. Each call gives another one.
///
/// The randomness is that of the standard library's hash maps, so no other dependency is needed.
pub fn instance_id() -> u64 {
    RandomState::new().hash_one(std::process::id())
}
