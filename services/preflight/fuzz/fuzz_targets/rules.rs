//! Any text as a rules file, and any text as a run: no panic, a line that exists, an answer that is JSON.
//!
//! `cargo +nightly fuzz run rules -- -max_total_time=60`
#![no_main]
#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "the modules are those of the service, for which they are written"
)]

#[path = "../../src"]
mod service {
    pub mod checklist;
    pub mod rules;
    pub mod run;
}

use libfuzzer_sys::fuzz_target;
use rules::Rules;
use service::{rules, run};

fuzz_target!(|input: &str| {
    let (file, fields) = input.split_once('\0').unwrap_or((input, ""));
    let run = fields.lines().filter_map(|line| line.split_once('=')).collect();
    match Rules::parse(file) {
        Ok(rules) => {
            serde_json::from_str::<serde_json::Value>(&rules.frame(&run)).expect("the frame is JSON");
        }
        Err(error) => {
            assert!(error.line >= 1 && error.line <= file.split('\n').count(), "{error}");
            assert!(!error.to_string().contains('\n'), "{error:?}");
        }
    }
});
