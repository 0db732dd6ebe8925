#![doc = include_str!("../README.md")]

pub mod app;
mod channel_list;
mod client_message;
mod config;
mod endpoint;
mod frame;
mod history_pages;
mod history_reader;
mod hub;
mod json;
mod line;
mod line_limit;
mod metrics;
mod partition;
mod position;
mod preparer;
mod recorder;
mod replay_buffer;
mod resume;
mod run_channels;
mod run_list;
mod server_message;
mod session;
mod shard;
mod sharded_subscriber;
mod socket_runs;
mod store;
mod subscriber;
mod subscription_table;
mod subscriptions;
mod trace;

pub use config::Config;
