//! Tests status-proxy as its clients and producers use it: the real binary, with a real Redis.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cluster;
mod cluster_history;
mod cluster_load;
mod contract;
mod drain;
mod failovers;
mod framing;
mod haproxy;
mod history;
mod idle;
mod limits;
mod long_history;
mod original_client;
mod outages;
mod page;
mod poisoned_values;
mod readme_frames;
mod recorded_runs;
mod redis_refusals;
mod refusals;
mod replicas;
mod run_list;
mod scale;
mod sharded;
mod subscribe;
mod support;
mod tokens;
mod traces;
mod whole_runs;
