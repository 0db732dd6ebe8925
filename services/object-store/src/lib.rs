#![doc = include_str!("../README.md")]

pub mod app;
mod commands;
pub mod config;
mod toml_file;

mod connection;
mod handshake;
mod http;
mod limits;
mod listener;
mod metrics;
mod node;
mod refusal_log;
mod server;
mod stream;
mod tls;
mod websocket;
mod write_buffer;

pub mod header;
pub mod ymq;

mod attachment;
mod outgoing;
mod pending_response;
mod refused_ids;
mod reply_to;
mod response_batch;
mod response_run;
mod session;
mod session_registry;

mod backend;
mod info;
mod listing;
mod memory;
mod redis;
mod store;

mod budget;
mod id;
mod object;
mod pace;
mod request;
mod room;
mod shared_reads;
mod spill;
mod wait_queue;

pub use config::Config;
pub use id::{BadId, ObjectId};
pub use info::Info;
pub use object::{Object, ObjectStat};
pub use redis::{RedisError, RedisOptions};
pub use request::{Places, Refused, Totals};
pub use store::{ObjectStore, StoreError};
pub use wait_queue::WaitTotals;
