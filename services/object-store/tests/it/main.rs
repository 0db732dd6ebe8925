//! The service as its peers see it: real processes, real Redis, the bytes of the contract.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod client;
mod configuration;
mod http;
mod limits;
mod model;
mod nodes;
mod peer;
mod session;
mod tls;
