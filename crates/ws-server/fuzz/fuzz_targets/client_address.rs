//! Reads any text as `X-Forwarded-For` and `Forwarded`: it must not panic, a peer that is not trusted is the client whatever the
//! header says, and what a client itself has written before the last proxy's entry changes nothing.
//!
//! `cargo +nightly fuzz run client_address -- -max_total_time=60`
#![no_main]
#![allow(dead_code, unreachable_pub, reason = "the module is compiled from the crate's file")]

#[path = "../../src/address.rs"]
mod address;

use std::net::IpAddr;

use address::{ClientAddress, client_address, parse_network};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (bool, &str)| {
    let (is_forwarded, header) = input;
    let source = if is_forwarded { ClientAddress::Forwarded } else { ClientAddress::XForwardedFor };
    let trusted = [parse_network("10.0.0.0/8").unwrap()];
    let (stranger, proxy): (IpAddr, IpAddr) = ("198.51.100.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
    assert_eq!(client_address(stranger, header, source, &trusted), stranger);
    let client = client_address(proxy, header, source, &trusted);
    assert_eq!(client, client.to_canonical());
    let seen = if is_forwarded { format!("{header},for={stranger}") } else { format!("{header},{stranger}") };
    assert_eq!(client_address(proxy, &seen, source, &trusted), stranger);
    let _ = parse_network(header);
});
