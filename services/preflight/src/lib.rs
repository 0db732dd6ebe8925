#![doc = include_str!("../README.md")]

pub mod app;
mod config;
mod metrics;

mod audience;
mod client_message;
mod http;
mod hub;
mod hub_handle;
mod latest_checklist;
mod run_refusal;
mod server_message;
mod session;
mod shard_name;
mod viewer;
mod ws;

mod fetch;
mod intervals;
mod notification_support;
mod read_scheduler;
mod run_progress;
mod run_source;
mod store;
mod watched_run;

mod check;
mod checklist;
mod explanation;
pub mod rules;
pub mod rules_file;
pub mod run_hash;

pub use config::Config;
