//! Parses any text as a rules file and evaluates it for any run. There must be no panic; an error must name a
//! line that exists; the message must be JSON.
//!
//! `cargo +nightly fuzz run rules -- -max_total_time=60`
#![no_main]
#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "these are the service's own modules"
)]

#[path = "../../src"]
mod service {
    pub mod check;
    pub mod checklist;
    pub mod rules;
    pub mod rules_file;
    pub mod run_hash;
}

use libfuzzer_sys::fuzz_target;
use rules::Rules;
use service::{check, rules, run_hash};

fuzz_target!(|input: &str| {
    let (file, fields) = input.split_once('\0').unwrap_or((input, ""));
    let run = fields.lines().filter_map(|line| line.split_once('=')).collect();
    match Rules::parse(file) {
        Ok(rules) => {
            serde_json::from_str::<serde_json::Value>(&rules.checklist_message(&run)).expect("the message is JSON");
        }
        Err(error) => {
            assert!(error.line >= 1 && error.line <= file.split('\n').count(), "{error}");
            assert!(!error.to_string().contains('\n'), "{error:?}");
        }
    }
});
