//! Everything that speaks Redis. What must happen atomically is a Lua script in `store/`.

mod channel;
mod client;
mod dead_letters;
mod errors;
mod games;
mod job;
mod job_reader;
mod parts;
mod queue;
mod reconcile;
mod scripts;

pub use channel::{ChannelEvent, Subscription};
pub use client::Store;
pub use dead_letters::DeadLetter;
pub use errors::{is_connection_error, is_missing_group};
pub use games::GameRecords;
pub use job::{Enqueued, Job};
pub use job_reader::JobReader;
pub use parts::Cleanup;
pub use queue::MAX_TRIES;
pub use reconcile::GamePage;
