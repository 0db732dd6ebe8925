#![doc = include_str!("../README.md")]

mod acker;
pub mod app;
mod assignment;
mod claimed;
mod clock;
pub mod config;
mod dead_letter;
mod effect;
pub mod event;
mod hint;
mod http;
mod loops;
mod membership;
mod memory;
mod message;
mod metrics;
mod mqtt;
mod partitions;
pub mod playback;
mod player;
mod post_id;
mod publish_queue;
mod range;
mod reader;
mod records;
mod release_request;
pub mod scenario;
mod service;
mod settled;
mod store;
mod template;
pub mod time;
mod timeline;
mod unavailable;
mod warn_once;

pub use config::Config;
