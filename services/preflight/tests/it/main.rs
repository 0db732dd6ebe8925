//! The binary as browsers, producers and operators see it: real Redis, real sockets.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod changes;
mod contract;
mod notifications;
mod outages;
mod peers;
mod replicas;
mod settings;
mod sockets;
mod world;
