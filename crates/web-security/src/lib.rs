#![doc = include_str!("../README.md")]

mod authority;
mod hosts;
mod origins;
mod policy;
pub mod wildcard;

pub use hosts::Hosts;
pub use origins::Origins;
pub use policy::{HEADERS, content_security_policy};
