#![doc = include_str!("../README.md")]

pub mod app;
pub mod compact;
pub mod config;
pub mod dead_letters;
pub mod game;
pub mod listener;
pub mod log_entry;
pub mod message;
pub mod metrics;
mod number;
pub mod output;
pub mod part;
mod recent_games;
pub mod reconciler;
pub mod stop;
pub mod store;
pub mod table;
mod text;
pub mod worker;

pub use config::Config;
