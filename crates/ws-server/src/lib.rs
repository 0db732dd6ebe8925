#![doc = include_str!("../README.md")]

mod address;
mod audience;
mod client;
mod connection;
pub mod frame;
mod gate;
mod handshake;
mod head;
mod heart;
mod metrics;
mod options;
mod origin;
mod outbox;
pub mod page;
mod parser;
mod request;
mod response;
mod server;
#[cfg(test)]
#[path = "../tests/it/options.rs"]
mod test_options;
pub mod token;
pub mod wildcard;

pub use address::Network;
pub use audience::Audience;
pub use client::{Client, Transport};
pub use metrics::Metrics;
pub use options::{Options, Overflow};
pub use origin::Origins;
pub use request::Request;
pub use response::{Reply, Response};
pub use server::{Handler, Server};
