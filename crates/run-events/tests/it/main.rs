//! The producers' types, tested with a real Redis.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod acl;
mod cluster;
mod examples;
mod messenger;
mod prep;

use run_events::{RedisConfig, RunId};
use test_support::TestRedis;

fn config(redis: &TestRedis) -> RedisConfig {
    redis.url().parse().unwrap()
}

fn run() -> RunId {
    RunId::parse("decimal-pleasing").unwrap()
}
