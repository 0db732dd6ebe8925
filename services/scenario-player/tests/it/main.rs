//! Tests of the real binary, with a real Redis, a real broker and a real browser.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod contract;
mod controls;
mod faults;
mod input;
mod page;
mod settings;
mod sharing;
mod support;
