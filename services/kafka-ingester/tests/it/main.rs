//! The service as a process, with a real Redis and librdkafka's mock cluster, or the broker that
//! `KAFKA_BROKER` names.
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod support;

mod access;
mod bad_messages;
mod cluster;
mod contract;
mod dead_letters;
mod dead_letters_http;
mod failover;
mod forgotten_brokers;
mod formats;
mod group;
mod group_protocol;
mod kafka_outages;
mod oauth;
mod poisoned;
mod policies;
mod producers;
mod public_events;
mod recipes;
mod redis_outages;
mod refusals;
mod schema_registry;
mod security;
mod settings;
mod shapes;
mod soak;
mod startup;
mod topics;
mod traces;
