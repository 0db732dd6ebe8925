//! What a client sends after its hello, decoded, and the last bytes that the server sends.

use bytes::Bytes;

use crate::header::{RequestHeader, RequestKind};

/// Payloads up to this many bytes are part of their [`Message::Request`].
pub const INLINE_MAX: usize = 16 << 10;

/// The last bytes that a stopping node sends: the length of a frame of 2^62 bytes. Released clients fail to allocate that
/// much, treat the connection as broken, and connect again. By then they have read everything that was sent before it.
pub const GOODBYE: [u8; 8] = (1_u64 << 62).to_le_bytes();

/// One message of a client.
#[derive(Debug, PartialEq, Eq)]
pub enum Message {
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
            Self::Refused(_) => false,
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
    #[error("the identity is too long")]
    Identity,
    /// A frame that should be the header of a request is not one.
    #[error("a frame that should be the header of a request is not one")]
    Header,
}
