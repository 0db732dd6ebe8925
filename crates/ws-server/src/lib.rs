#![doc = include_str!("../README.md")]

mod accept_rate;
mod address;
mod client;
mod connection;
mod connection_limiter;
mod connection_task;
mod context;
mod cors;
mod drain;
mod establish;
pub mod frame;
mod handler;
mod handshake;
mod head;
mod message_reader;
mod metrics;
mod options;
mod outbox;
pub mod page;
mod ping_wheel;
mod proxy_header;
mod recipients;
mod refuse;
mod reply;
mod request;
mod respond;
mod response;
mod server;
mod session;
#[cfg(test)]
#[path = "../tests/it/options.rs"]
mod test_options;
pub mod token;
mod transport;
mod unfinished;

pub use address::{ClientAddress, parse_network};
pub use client::Client;
pub use handler::Handler;
pub use ipnet::IpNet;
pub use metrics::Metrics;
pub use options::{Options, Overflow};
pub use recipients::Recipients;
pub use reply::Reply;
pub use request::Request;
pub use response::Response;
pub use server::Server;
pub use session::{Guard, Session};
pub use transport::Transport;
pub use web_security::{Hosts, Origins};
