//! Parses any bytes as the frames of a client: it must not panic, and the result must not depend on how the bytes are split.
//!
//! `cargo +nightly fuzz run frames -- -max_total_time=60`
#![no_main]
#![allow(dead_code, unreachable_pub, reason = "the modules are compiled from the crate's files, which use more of them")]

#[path = "../../src"]
mod server {
    pub mod frame;
    pub mod parser;
}

use libfuzzer_sys::fuzz_target;
use server::frame;
use server::parser::{Parser, Violation};

fn parse(bytes: &[u8], part_size: usize) -> (Vec<String>, Result<(), Violation>) {
    let (mut parser, mut events) = (Parser::new(4096), Vec::new());
    for part in bytes.to_vec().chunks_mut(part_size) {
        let result = parser.feed(part, |event| events.push(format!("{event:?}")));
        if result.is_err() {
            return (events, result);
        }
    }
    (events, Ok(()))
}

fuzz_target!(|input: (u8, &[u8])| {
    let (part_size, bytes) = input;
    assert_eq!(parse(bytes, usize::from(part_size) + 1), parse(bytes, 1));
});
