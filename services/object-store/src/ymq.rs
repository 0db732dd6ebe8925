//! The framing "YMQ", decoded incrementally: bytes in, [`Message`]s out. Nothing is allocated because of a length that a
//! client announced.
//!
//! A connection begins with the magic and a frame with the sender's identity. Every later frame is a length (u64,
//! little-endian) and that many bytes. A request is a header frame and, for some types, a payload frame.

mod decoder;
mod hello;
mod message;
mod response;

pub use decoder::Decoder;
pub use hello::{Hello, IDENTITY_MAX, encode_hello};
pub use message::{GOODBYE, INLINE_MAX, Message, ProtocolError};
pub(crate) use response::put_response_head;
