//! The Redis backend: one store that all nodes with the same Redis and key prefix share. Only this module speaks Redis.
//!
//! Everything that must be atomic is done by one script (`redis/script/`; `arguments.lua` describes the keys). A node sends
//! its operations in batches that are executed one after the other, so they keep their order. Large contents are stored and
//! read separately, in chunks.

mod admin;
mod backend;
mod batch;
mod batch_loop;
mod cache;
mod chunks;
mod content_store;
mod fields;
mod garbage_collector;
mod needs;
mod notification;
mod operation;
mod options;
mod record;
mod reply_handler;
mod wait_recheck;
mod worker;

pub(crate) use backend::RedisBackend;
pub use options::{RedisError, RedisOptions};
pub(crate) use worker::connect;
