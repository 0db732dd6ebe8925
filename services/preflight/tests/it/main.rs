//! Tests of the binary, with a real Redis and real sockets.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod changes;
mod cluster;
mod console;
mod contract;
mod failovers;
mod framing;
mod idle;
mod key_server;
mod notifications;
mod outages;
mod peers;
mod readme_frames;
mod refusals;
mod replicas;
mod runs;
mod settings;
mod several_runs;
mod sockets;
mod strangers;
mod support;
mod tokens;
