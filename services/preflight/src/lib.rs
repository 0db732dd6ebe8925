#![doc = include_str!("../README.md")]

mod app;
mod checklist;
mod config;
mod door;
mod hub;
mod metrics;
mod notifications;
mod pace;
mod reading;
pub mod rules;
pub mod run;
mod store;
mod topic;
mod ws;

pub use app::App;
pub use config::Config;
