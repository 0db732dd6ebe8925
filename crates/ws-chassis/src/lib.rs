#![doc = include_str!("../README.md")]

mod access;
mod http_front;
mod settings;

pub use access::Access;
pub use http_front::HttpFront;
pub use settings::{SocketSettings, drain_time};
