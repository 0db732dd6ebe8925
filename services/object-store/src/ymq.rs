//! The framing "YMQ", read incrementally: bytes in, [`Item`]s out. No length is trusted: nothing is allocated for it here.
//!
//! A connection begins with the magic and a frame with the sender's identity; then every frame is a message, a length
//! (u64, little-endian) and that many bytes. A request is a header frame and, for some types, a payload frame.

mod decoder;

use bytes::Bytes;

use crate::header::{Ask, RequestHeader};
pub use decoder::Decoder;

/// The magic without its last byte, the version.
const MAGIC: [u8; 3] = *b"YMQ";
/// Longest identity that is taken, in bytes.
pub const IDENTITY_MAX: usize = 1024;
/// Payloads up to this many bytes come with their [`Item::Request`].
pub const INLINE_MAX: usize = 16 << 10;

/// The last that a client hears from a node that stops: a frame of 2^62 bytes. Released clients have read everything before it
/// when they find that they cannot allocate so much, take the connection for broken, and connect again.
pub const GOODBYE: [u8; 8] = (1_u64 << 62).to_le_bytes();

/// What the bytes of a client say.
#[derive(Debug, PartialEq, Eq)]
pub enum Item {
    /// The client's first words; the answer is [`hello`] of the same version.
    Hello {
        /// 1 or 2.
        version: u8,
        /// Who the client is.
        identity: Bytes,
    },
    /// A whole request.
    Request {
        /// Its header.
        header: RequestHeader,
        /// Its payload, empty if it has none.
        payload: Bytes,
    },
    /// A set whose payload is longer than [`INLINE_MAX`]: the next `payload_length` bytes are the payload, to be taken by
    /// the caller before the decoder goes on.
    Body(RequestHeader),
    /// A request that cannot be granted: too large, or its payload does not fit. The connection goes on behind it.
    Refused(RequestHeader),
}

impl Item {
    /// True if it changes what is stored.
    pub(crate) fn changes(&self) -> bool {
        match self {
            Self::Request { header, .. } => matches!(header.ask, Ask::Set | Ask::Delete | Ask::Duplicate),
            Self::Body(_) => true,
            Self::Hello { .. } | Self::Refused(_) => false,
        }
    }
}

/// Bytes after which nothing can be understood: the connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The first bytes are not `YMQ` and a version known.
    #[error("the connection does not begin with the magic of version 1 or 2")]
    Magic,
    /// An identity too long.
    #[error("the identity is longer than {IDENTITY_MAX} bytes")]
    Identity,
    /// A frame where a request's header should be is none.
    #[error("a frame is not a request's header")]
    Header,
}

/// A side's first words: the magic of this version and its identity.
pub fn hello(version: u8, identity: &[u8]) -> Vec<u8> {
    let mut bytes = [MAGIC.as_slice(), &[version]].concat();
    bytes.extend_from_slice(&(identity.len() as u64).to_le_bytes());
    bytes.extend_from_slice(identity);
    bytes
}
