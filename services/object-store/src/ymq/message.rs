//! What a client sends, decoded, and the first and last bytes that the server sends.

use bytes::Bytes;

use crate::header::{RequestHeader, RequestKind};

/// The magic without its last byte, the version.
pub(super) const MAGIC: [u8; 3] = *b"YMQ";
/// Longest identity that is accepted, in bytes.
pub const IDENTITY_MAX: usize = 1024;
/// Payloads up to this many bytes are part of their [`Message::Request`].
pub const INLINE_MAX: usize = 16 << 10;

/// The last bytes that a stopping node sends: the length of a frame of 2^62 bytes. Released clients fail to allocate that
/// much, treat the connection as broken, and connect again. By then they have read everything that was sent before it.
pub const GOODBYE: [u8; 8] = (1_u64 << 62).to_le_bytes();

/// One message of a client.
#[derive(Debug, PartialEq, Eq)]
pub enum Message {
    /// The first message. The server responds with [`encode_hello`] of the same version.
    Hello {
        /// 1 or 2.
        version: u8,
        /// The identity of the client.
        identity: Bytes,
    },
    /// A complete request.
    Request {
        /// The header.
        header: RequestHeader,
        /// The payload; empty if the request has none.
        payload: Bytes,
    },
    /// A set whose payload is longer than [`INLINE_MAX`]. The next `payload_length` bytes are the payload. The caller has to
    /// take them before it uses the decoder again.
    LargeSet(RequestHeader),
    /// A request that is refused: too large, or with a payload of the wrong length. Its bytes have been skipped.
    Refused(RequestHeader),
}

impl Message {
    /// True if the request changes what is stored.
    pub(crate) fn is_write(&self) -> bool {
        match self {
            Self::Request { header, .. } => {
                matches!(header.kind, RequestKind::Set | RequestKind::Delete | RequestKind::Duplicate)
            }
            Self::LargeSet(_) => true,
            Self::Hello { .. } | Self::Refused(_) => false,
        }
    }
}

/// Bytes after which nothing on the connection can be understood. The connection has to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    /// The first bytes are not `YMQ` and a known version.
    #[error("the connection does not begin with the magic of version 1 or 2")]
    Magic,
    /// The identity is too long.
    #[error("the identity is longer than {IDENTITY_MAX} bytes")]
    Identity,
    /// A frame that should be the header of a request is not one.
    #[error("a frame that should be the header of a request is not one")]
    Header,
}

/// The first bytes that each side sends: the magic of this version, and its identity.
pub fn encode_hello(version: u8, identity: &[u8]) -> Vec<u8> {
    let mut bytes = [MAGIC.as_slice(), &[version]].concat();
    bytes.extend_from_slice(&(identity.len() as u64).to_le_bytes());
    bytes.extend_from_slice(identity);
    bytes
}
