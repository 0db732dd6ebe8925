//! The service as a process, with a real Redis and librdkafka's mock cluster, or the broker that `KAFKA_BROKER` names.
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod support;

mod contract;
mod dead_letters;
mod forgetful;
mod group;
mod kafka_trouble;
mod policies;
mod redis_trouble;
mod security;
mod settings;
mod soak;
