//! The service as its users meet it: the binary, a Redis of its own, files on disk or in a bucket.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed, also in its helpers")]

mod support;

mod bad_input;
mod compact;
mod exactly_once;
mod output;
mod readers;
mod s3;
mod settings;
mod trigger;
