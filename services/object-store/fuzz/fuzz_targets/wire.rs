//! Any bytes as what a client sends, whole and cut anywhere: no panic, the same items, nothing held beyond what came.
//!
//! `cargo +nightly fuzz run wire -- -max_total_time=60`
#![no_main]
#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "the modules are those of the service, for which they are written"
)]

#[path = "../../src"]
mod service {
    pub mod header;
    pub mod id;
    pub mod ymq;
}
use service::{header, id};

use bytes::{Buf, BytesMut};
use header::{RequestHeader, decode_id, encode_id};
use libfuzzer_sys::fuzz_target;
use service::ymq::{Decoder, Item, Malformed, hello};

/// Sets up to this many bytes are taken.
const MAX: u64 = 100_000;

/// What the bytes say when they come in parts of `step` bytes.
fn items(bytes: &[u8], step: usize) -> (Vec<Item>, Option<Malformed>) {
    let (mut decoder, mut buf, mut items, mut body) = (Decoder::new(MAX), BytesMut::new(), Vec::new(), 0);
    for part in bytes.chunks(step) {
        buf.extend_from_slice(part);
        loop {
            // The caller takes the payload of a body before it goes on.
            let taken = body.min(buf.len());
            buf.advance(taken);
            body -= taken;
            if body > 0 {
                break;
            }
            match decoder.next(&mut buf) {
                Ok(None) => break,
                Ok(Some(item)) => {
                    if let Item::Body(header) = &item {
                        assert!(header.payload_length <= MAX);
                        body = header.payload_length as usize;
                    }
                    items.push(item);
                }
                Err(malformed) => return (items, Some(malformed)),
            }
        }
        assert!(buf.len() <= bytes.len());
    }
    (items, None)
}

fuzz_target!(|input: &[u8]| {
    let (step, bytes) = input.split_first().map_or((1, input), |(step, bytes)| (usize::from(*step) + 1, bytes));
    // Behind the hello as well, which random bytes seldom get past.
    for bytes in [bytes.to_vec(), [hello(2, b"me").as_slice(), bytes].concat()] {
        assert_eq!(items(&bytes, step), items(&bytes, bytes.len().max(1)));
    }
    if let Some(header) = RequestHeader::decode(bytes) {
        assert_eq!(RequestHeader::decode(&header.encode()), Some(header));
    }
    if let Some(id) = decode_id(bytes) {
        assert_eq!(encode_id(&id), bytes);
    }
});
