#![doc = include_str!("../README.md")]

mod acker;
pub mod app;
mod clock;
pub mod config;
pub mod event;
mod feed;
mod hands;
mod holdings;
mod http;
mod lanes;
mod memory;
mod metrics;
mod mqtt;
pub mod playback;
mod player;
pub mod scenario;
mod shop;
mod store;
pub mod time;
mod timeline;

pub use app::App;
pub use config::Config;
