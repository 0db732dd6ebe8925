//! Everything that speaks Redis. What must happen atomically is a Lua script in `store/`.

mod channel;
mod client;
mod days;
mod dead_letters;
mod enqueue;
mod job;
mod job_reader;
mod needs;
mod on_cluster;
mod parts;
mod queue;
mod reconcile;
mod scripts;
mod sessions;
mod shared_keys;

pub use channel::{ChannelEvent, Subscription};
pub use client::Store;
pub use days::DayCount;
pub use dead_letters::DeadLetter;
pub use job::{Enqueued, InvalidJob, Job, Jobs};
pub use job_reader::JobReader;
pub use parts::{Cleanup, Planned};
pub use queue::{Failure, MAX_TRIES};
pub use reconcile::{GamePage, Settled};
pub use sessions::SessionRecords;
