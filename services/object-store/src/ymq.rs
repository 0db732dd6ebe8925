//! The framing "YMQ", decoded incrementally: bytes in, [`Message`]s out. Nothing is allocated because of a length that a
//! client announced.
//!
//! A connection begins with the magic and a frame with the sender's identity. Every later frame is a length (u64,
//! little-endian) and that many bytes. A request is a header frame and, for some types, a payload frame.

mod decoder;
mod message;

pub use decoder::Decoder;
pub use message::{GOODBYE, IDENTITY_MAX, INLINE_MAX, Message, ProtocolError, encode_hello};
