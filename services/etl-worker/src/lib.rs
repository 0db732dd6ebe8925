#![doc = include_str!("../README.md")]

pub mod app;
pub mod check;
pub mod cleaner;
pub mod compact;
pub mod config;
pub mod dataset;
pub mod dead_letters;
pub mod file_rows;
pub mod listener;
pub mod message;
pub mod metrics;
pub mod mount_watch;
mod number;
pub mod output;
pub mod page;
pub mod part;
pub mod recent_files;
mod recent_games;
pub mod reconciler;
pub mod stop;
pub mod store;
pub mod table;
mod text;
pub mod worker;

pub use config::Config;
