//! Tests of the binary as its users run it, with a Redis of its own and files on disk or in a bucket.

#![expect(clippy::unwrap_used, reason = "a test that cannot continue has failed, also in its helpers")]

mod support;

mod aws_credentials;
mod azure_identities;
mod azurite;
mod bad_input;
mod cluster;
mod column_types;
mod compact;
mod cut_uploads;
mod datasets;
mod dead_letters;
mod exactly_once;
mod failovers;
mod fake_gcs;
mod golden;
mod google_credentials;
mod log;
mod output;
mod page;
mod partitions;
mod poisoned;
mod readers;
mod redis_refusals;
mod redis_user;
mod replicas;
mod s3;
mod settings;
mod startup;
mod stop;
mod storages;
mod tables;
mod trigger;
