//! What each side sends first: a magic, and a frame with its identity.

use bytes::{Buf, Bytes, BytesMut};

use super::message::ProtocolError;

/// The magic without its last byte, the version.
const MAGIC: [u8; 3] = *b"YMQ";
/// Bytes before the identity: the magic and the length of the frame.
const HEAD_LEN: usize = 4 + 8;
/// Longest identity that is accepted, in bytes.
pub const IDENTITY_MAX: usize = 1024;

/// The hello of a client. The server responds with [`encode_hello`] of the same version.
#[derive(Debug, PartialEq, Eq)]
pub struct Hello {
    /// 1 or 2.
    pub version: u8,
    /// The identity of the client.
    pub identity: Bytes,
}

impl Hello {
    /// Decodes a hello and removes it from `buf`. `None` if more bytes are needed.
    ///
    /// # Errors
    /// When the connection does not begin with a hello.
    pub fn decode(buf: &mut BytesMut) -> Result<Option<Self>, ProtocolError> {
        let is_known = MAGIC.iter().zip(buf.iter()).all(|(known, byte)| known == byte);
        if !is_known || buf.get(3).is_some_and(|version| !matches!(version, 1 | 2)) {
            return Err(ProtocolError::Magic);
        }
        let Some((&[_, _, _, version], rest)) = buf.split_first_chunk() else { return Ok(None) };
        let Some((length, rest)) = rest.split_first_chunk() else { return Ok(None) };
        let length =
            usize::try_from(u64::from_le_bytes(*length)).ok().filter(|&length| length <= IDENTITY_MAX);
        let Some(identity) = rest.get(..length.ok_or(ProtocolError::Identity)?) else { return Ok(None) };
        // A copy, so that the identity does not keep the read buffer alive.
        let identity = Bytes::copy_from_slice(identity);
        buf.advance(HEAD_LEN + identity.len());
        Ok(Some(Self { version, identity }))
    }
}

/// The first bytes that each side sends: the magic of this version, and its identity.
pub fn encode_hello(version: u8, identity: &[u8]) -> Vec<u8> {
    let mut bytes = [MAGIC.as_slice(), &[version]].concat();
    bytes.extend_from_slice(&(identity.len() as u64).to_le_bytes());
    bytes.extend_from_slice(identity);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(bytes: &[u8]) -> Result<Option<Hello>, ProtocolError> {
        Hello::decode(&mut BytesMut::from(bytes))
    }

    #[test]
    fn both_versions_of_the_hello_are_decoded_once_they_are_complete() {
        for version in [1, 2] {
            let bytes = encode_hello(version, b"probe-client");
            for cut in 0..bytes.len() {
                assert_eq!(decode(&bytes[..cut]), Ok(None), "{cut}");
            }
            let mut buf = BytesMut::from([&bytes, b"rest".as_slice()].concat().as_slice());
            let hello = Hello { version, identity: Bytes::from_static(b"probe-client") };
            assert_eq!(Hello::decode(&mut buf), Ok(Some(hello)));
            assert_eq!(buf, b"rest".as_slice());
        }
        assert_eq!(
            hex::encode(encode_hello(2, b"probe-client")),
            "594d51020c0000000000000070726f62652d636c69656e74"
        );
    }

    #[test]
    fn other_bytes_are_no_hello_from_the_first_one_on() {
        assert_eq!(decode(b"G"), Err(ProtocolError::Magic));
        assert_eq!(decode(b"YMQ\x03"), Err(ProtocolError::Magic));
        assert_eq!(decode(&[b"YMQ\x02".as_slice(), &[0xff; 8]].concat()), Err(ProtocolError::Identity));
    }
}
