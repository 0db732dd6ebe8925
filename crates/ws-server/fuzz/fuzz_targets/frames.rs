//! Any bytes as the frames of a client, cut anywhere: no panic, and the same is understood whatever the pieces.
//!
//! `cargo +nightly fuzz run frames -- -max_total_time=60`
#![no_main]
#![allow(dead_code, unreachable_pub, reason = "the modules are those of the crate, for which they are written")]

#[path = "../../src"]
mod server {
    pub mod frame;
    pub mod parser;
}

use libfuzzer_sys::fuzz_target;
use server::frame;
use server::parser::{Parser, Violation};

fn understood(bytes: &[u8], piece: usize) -> (Vec<String>, Result<(), Violation>) {
    let (mut parser, mut said) = (Parser::new(4096), Vec::new());
    for piece in bytes.to_vec().chunks_mut(piece) {
        let outcome = parser.feed(piece, |event| said.push(format!("{event:?}")));
        if outcome.is_err() {
            return (said, outcome);
        }
    }
    (said, Ok(()))
}

fuzz_target!(|input: (u8, &[u8])| {
    let (piece, bytes) = input;
    assert_eq!(understood(bytes, usize::from(piece) + 1), understood(bytes, 1));
});
