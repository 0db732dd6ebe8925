#![doc = include_str!("../README.md")]

mod access;
mod http_front;
mod settings;
mod token_key;
mod token_verifier;

pub use access::{Access, AccessSession};
pub use http_front::HttpFront;
pub use settings::{SocketSettings, drain_time};
