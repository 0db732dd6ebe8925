#![doc = include_str!("../README.md")]

pub mod app;
mod assignments;
mod bad_message_log;
pub mod batch;
mod check_command;
pub mod config;
mod dead_letter_commands;
mod dead_letter_forwarder;
mod dead_letter_json;
mod dead_letter_monitor;
mod dead_letter_replay;
mod http;
mod kafka;
mod mappings;
mod memory_monitor;
pub mod message;
mod metrics;
mod partition;
mod poll_loop;
mod schema_registry;
pub mod store;
mod topic_monitor;
mod topic_partition;
mod topic_selector;
mod trace;

pub use config::Config;
pub use mappings::Mappings;
pub use topic_partition::TopicPartition;
pub use topic_selector::TopicSelector;
