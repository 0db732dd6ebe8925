#![doc = include_str!("../README.md")]

mod http_front;
mod settings;

pub use http_front::HttpFront;
pub use settings::{SocketSettings, drain_time};
