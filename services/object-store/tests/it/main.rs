//! Tests of the service from outside: real processes, a real Redis, the bytes of the contract.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod client;
mod cluster;
mod configuration;
mod damaged;
mod failover;
mod http;
mod legacy;
mod limits;
mod model;
mod nodes;
mod operators;
mod page;
mod peer;
mod python;
mod reconnect;
mod refusals;
mod refused;
mod session;
mod shared_redis;
mod simulation;
mod slow;
mod spilling;
mod suite;
mod tls;
mod websocket;
