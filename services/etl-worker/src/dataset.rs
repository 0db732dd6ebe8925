//! Datasets: which sessions end with which message, where their records are in Redis, and which tables become of them.
//!
//! A dataset is a TOML file. It is read and checked once, at the start; then every name in it is resolved.

mod compile;
mod condition;
mod definition;
mod error;
mod file;
mod folders;
mod json_paths;
mod key_overlap;
mod keys;
mod load;
mod model;
mod names;
mod resolve;
mod session;
mod shared_records;
mod totals;
mod validate;

pub use error::DatasetError;
pub use keys::{Cleanup, EndOfSession, KeyPattern, Keys, LostSessions};
pub use load::{load, parse};
pub use model::{Dataset, SUPERHERO};
pub use names::Words;
pub use session::{BadSession, MemberRecord, Session};
pub use shared_records::removed_by;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod wrong_files;
