//! The Redis backend: one store that all nodes with the same Redis and key prefix share. Only this module speaks Redis.
//!
//! Everything that must be atomic is done by one script (`redis/script/`; `arguments.lua` describes the keys). Large contents are
//! stored and read separately, in chunks. The path of a request:
//!
//! ```text
//! connection, HTTP, library
//!   │ Request, and where its response goes
//!   ▼
//! backend.rs         finds the partition; on one Redis there is one
//!   ▼
//! partition.rs       makes an Operation of it, and queues that
//!   ▼
//! batch_loop.rs      makes batches of what is queued, and sends them until they are executed, in order
//!   ▼
//! batch.rs           what the script gets of a batch
//!   ▼
//! script_call.rs     a call of the script (script/); on a Cluster the partitions of a shard share it
//!   ▼
//! settle.rs          what the reply to an operation means
//!   ▼
//! reply_handler.rs   does that: it responds, lets the request wait, uploads the content and queues it again, wakes others
//!   │ Response
//!   ▼
//! reply_to.rs        the session of the client, whose connection writes it
//! ```

mod admin;
mod backend;
mod batch;
mod batch_loop;
mod cache;
mod chunks;
mod content_store;
mod fields;
mod garbage_collector;
mod hints;
mod keyspace;
mod listener;
mod needs;
mod node_operations;
mod notification;
mod operation;
mod options;
mod partition;
mod partition_count;
mod partition_ids;
mod record;
mod reply_handler;
mod script_call;
mod settle;
mod wait_recheck;
mod worker;

pub(crate) use backend::RedisBackend;
pub use options::{RedisError, RedisOptions};
pub(crate) use worker::connect;
