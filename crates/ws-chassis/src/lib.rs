#![doc = include_str!("../README.md")]

mod front;
mod settings;

pub use front::Front;
pub use settings::{SocketSettings, drain_time};
