//! Decodes arbitrary bytes as those of a client, in one piece and in parts: no panic, the same messages, and no more memory than
//! the bytes take.
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
use service::ymq::{Decoder, Hello, Message, ProtocolError, encode_hello};

/// Sets up to this many bytes are accepted.
const MAX_OBJECT: u64 = 100_000;

/// Decodes the bytes in parts of `part_len` bytes.
fn decode(bytes: &[u8], part_len: usize) -> (Vec<Message>, Option<ProtocolError>) {
    let (mut decoder, mut buf, mut messages, mut payload) = (Decoder::new(MAX_OBJECT), BytesMut::new(), Vec::new(), 0);
    for part in bytes.chunks(part_len) {
        buf.extend_from_slice(part);
        loop {
            // The payload of a large set has to be taken before the decoder is used again.
            let taken = payload.min(buf.len());
            buf.advance(taken);
            payload -= taken;
            if payload > 0 {
                break;
            }
            match decoder.next(&mut buf) {
                Ok(None) => break,
                Ok(Some(message)) => {
                    if let Message::LargeSet(header) = &message {
                        assert!(header.payload_length <= MAX_OBJECT);
                        payload = header.payload_length as usize;
                    }
                    messages.push(message);
                }
                Err(error) => return (messages, Some(error)),
            }
        }
        assert!(buf.len() <= bytes.len());
    }
    (messages, None)
}

fuzz_target!(|input: &[u8]| {
    let (part_len, bytes) = input.split_first().map_or((1, input), |(first, bytes)| (usize::from(*first) + 1, bytes));
    assert_eq!(decode(bytes, part_len), decode(bytes, bytes.len().max(1)));
    let mut buf = BytesMut::from(bytes);
    if let Ok(Some(hello)) = Hello::decode(&mut buf) {
        assert_eq!(encode_hello(hello.version, &hello.identity), bytes[..bytes.len() - buf.len()]);
    }
    if let Some(header) = RequestHeader::decode(bytes) {
        assert_eq!(RequestHeader::decode(&header.encode()), Some(header));
    }
    if let Some(id) = decode_id(bytes) {
        assert_eq!(encode_id(&id), bytes);
    }
});
