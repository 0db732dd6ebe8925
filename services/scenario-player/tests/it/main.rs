//! Tests of the real binary, with a real Redis, a real broker and a real browser.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod access;
mod broker_refusals;
mod certificates;
mod clock;
mod cluster;
mod contract;
mod controls;
mod failover;
mod fake_broker;
mod faults;
mod input;
mod large_bodies;
mod lost_hints;
mod mochi;
mod page;
mod poisoned;
mod qos;
mod recordings;
mod redis_refusals;
mod redis_user;
mod repeated_posts;
mod second_broker;
mod settings;
mod sharing;
mod support;
mod templates;
mod tls;
mod traces;
