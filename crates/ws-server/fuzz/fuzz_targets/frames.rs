//! Reads any bytes as the frames of a client: it must not panic, the result must not depend on how the bytes are split, and
//! nothing may be kept when no message is under way.
//!
//! `cargo +nightly fuzz run frames -- -max_total_time=60`
#![no_main]
#![allow(dead_code, unreachable_pub, reason = "the module is compiled from the crate's file")]

#[path = "../../src"]
mod server {
    pub mod message_reader;
}

use libfuzzer_sys::fuzz_target;
use server::message_reader::{Event, MessageReader, Violation};

type Outcome = (Vec<String>, Vec<u8>, Result<(), Violation>);

fn read(bytes: &[u8], part_size: usize) -> Outcome {
    let (mut reader, mut events, mut replies) = (MessageReader::new(4096), Vec::new(), Vec::new());
    for part in bytes.chunks(part_size) {
        let mut is_closed = false;
        let result = reader.feed(part, &mut replies, |event| {
            is_closed |= matches!(event, Event::Close(_));
            events.push(format!("{event:?}"));
        });
        if result.is_err() || is_closed {
            return (events, replies, result);
        }
    }
    (events, replies, Ok(()))
}

fuzz_target!(|input: (u8, &[u8])| {
    let (part_size, bytes) = input;
    assert_eq!(read(bytes, usize::from(part_size) + 1), read(bytes, 1));
});
