#![doc = include_str!("../README.md")]

pub mod app;
pub mod config;
mod toml_file;

mod connection;
mod http;
mod node;
mod out;
mod server;
mod session;
mod stream;

pub mod header;
pub mod ymq;

mod budget;
mod id;
mod memory;
mod metrics;
mod redis;
mod request;
mod store;
mod waits;

pub use config::Config;
pub use id::{BadId, ObjectId};
pub use redis::{RedisError, RedisOptions};
pub use request::{Object, Refused, Totals};
pub use store::{Info, ObjectStore, StoreError};
pub use waits::Waiters;
