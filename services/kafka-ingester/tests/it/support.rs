//! What the tests share: a world per test, with Kafka, Redis, and the ingester between them.

mod avro;
mod kafka;
mod mock_cluster;
mod notifications;
mod registry;
mod stream_load;
mod traffic;
mod world;

use std::io::Write;

pub(crate) use avro::{avro, framed};
pub(crate) use kafka::Kafka;
pub(crate) use mock_cluster::MockCluster;
pub(crate) use notifications::Notifications;
pub(crate) use registry::Registry;
pub(crate) use stream_load::{MOVED_SLOTS, StreamLoad};
pub(crate) use traffic::{Model, TRAFFIC_VARS, Wire, random};
pub(crate) use world::World;

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_kafka-ingester");
pub(crate) const DEAD_LETTERS: &str = "kafka-ingester:dead-letters";

#[expect(clippy::disallowed_methods, reason = "tests have no settings of a service")]
pub(crate) fn env_var(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Says that something was left out. The test harness does not capture this, so it shows even if the test
/// passes.
pub(crate) fn report_not_run(what: &str) {
    let mut stderr = std::io::stderr();
    writeln!(stderr, "NOT RUN: {what}").unwrap();
}

pub(crate) fn unique_name(prefix: &str) -> String {
    format!("{prefix}-{:x}", chassis::unique::instance_id())
}
