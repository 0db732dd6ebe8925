#![doc = include_str!("../README.md")]

mod app;
mod config;
mod endpoint;
mod hub;
mod interest;
mod line;
mod metrics;
mod recorder;
mod ring;
mod shard;
mod source;
mod store;
mod target;

pub use app::App;
pub use config::Config;
