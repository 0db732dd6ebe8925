//! Reads any bytes as the begin of a connection from a proxy: it must not panic, a header ends within what was received, and
//! what is complete or invalid stays that when more bytes follow.
//!
//! `cargo +nightly fuzz run proxy_header -- -max_total_time=60`
#![no_main]
#![allow(dead_code, unreachable_pub, reason = "the module is compiled from the crate's file")]

#[path = "../../src/proxy_header.rs"]
mod proxy_header;

use libfuzzer_sys::fuzz_target;
use ppp::v2;
use proxy_header::{ProxyHeader, parse};

fuzz_target!(|input: (u8, &[u8])| {
    let (version, rest) = input;
    let begin: &[u8] = match version % 4 {
        0 => b"PROXY TCP4 ",
        1 => b"PROXY TCP6 ",
        2 => v2::PROTOCOL_PREFIX,
        _ => b"",
    };
    let bytes = [begin, rest].concat();
    let whole = parse(&bytes);
    for length in 0..bytes.len() {
        match parse(&bytes[..length]) {
            ProxyHeader::Incomplete => {}
            known => assert_eq!(known, whole, "after {length} bytes"),
        }
    }
    if let ProxyHeader::Complete { length, .. } = whole {
        assert!(length <= bytes.len());
    }
});
