#![doc = include_str!("../README.md")]

pub mod app;
pub mod batch;
pub mod config;
mod dead_letters;
mod describe;
mod forward;
mod ingest;
mod json;
mod kafka;
mod memory;
mod metrics;
mod msgpack;
mod owned;
mod partition;
pub mod record;
mod script;
pub mod store;
pub mod template;
mod topics;

pub use config::Config;
