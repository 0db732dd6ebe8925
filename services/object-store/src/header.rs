//! The 80-byte Cap'n Proto header of every request and response, and the 48-byte object id that a duplicate carries.
//!
//! The schema is fixed, and the released peers always encode it the same way: one segment, no far pointers. So a header
//! is a fixed byte layout, and any other layout is malformed. A Cap'n Proto library would only add a traversal.
//!
//! ```text
//!  0  00000000 09000000   one segment of nine words
//!  8  00000000 0300 0100  struct: three data words, one pointer
//! 16  payloadLength u64 · 24 requestID u64 · 32 type u16, six bytes of padding
//! 40  00000000 0400 0000  struct: four data words
//! 48  objectID, four u64
//! ```

use crate::id::ObjectId;

/// Length of a header, in bytes.
pub const HEADER_LEN: usize = 80;
/// Length of the payload of a duplicate, which names the original object, in bytes.
pub const ID_LEN: usize = 48;

const START: [u8; 16] = [0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 3, 0, 1, 0];
const ID_POINTER: [u8; 8] = [0, 0, 0, 0, 4, 0, 0, 0];
const ID_START: [u8; 16] = [0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0];

/// What a client requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestKind {
    /// Store or replace an object. The payload follows.
    Set,
    /// Return at most `payload_length` bytes of the object, as soon as the object exists.
    Get,
    /// Remove an object.
    Delete,
    /// Give this id the content of the object that the payload names.
    Duplicate,
    /// Return the totals of the store (infoGetTotal).
    Totals,
    /// A request type that this server does not know.
    Unknown(u16),
}

/// What a response says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub enum ResponseKind {
    /// The object was stored.
    Set = 0,
    /// The object's bytes follow as a payload, unless there are none.
    Got = 1,
    /// The object was removed.
    Deleted = 2,
    /// The object does not exist. Also the response to every request that is refused.
    NotExists = 3,
    /// The new id shares the content of the original.
    Duplicated = 4,
    /// A payload of six u64 follows.
    Totals = 5,
}

/// The header of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestHeader {
    /// The object; for a duplicate, the new object.
    pub id: ObjectId,
    /// Length of the payload that follows; for a get, the most bytes that the client accepts.
    pub payload_length: u64,
    /// Chosen by the client; the response repeats it.
    pub request_id: u64,
    /// What is requested.
    pub kind: RequestKind,
}

impl RequestHeader {
    /// Decodes a header; `None` if it does not have the layout of the schema.
    pub fn decode(frame: &[u8]) -> Option<Self> {
        let frame: &[u8; HEADER_LEN] = frame.try_into().ok()?;
        if frame[..16] != START || frame[40..48] != ID_POINTER {
            return None;
        }
        let kind = match u16::from_le_bytes([frame[32], frame[33]]) {
            0 => RequestKind::Set,
            1 => RequestKind::Get,
            2 => RequestKind::Delete,
            3 => RequestKind::Duplicate,
            4 => RequestKind::Totals,
            other => RequestKind::Unknown(other),
        };
        Some(Self {
            id: ObjectId::from_wire(frame[48..].first_chunk()?),
            payload_length: u64::from_le_bytes(*frame[16..].first_chunk()?),
            request_id: u64::from_le_bytes(*frame[24..].first_chunk()?),
            kind,
        })
    }

    /// Encodes a header, as a client does.
    pub fn encode(&self) -> [u8; HEADER_LEN] {
        let kind = match self.kind {
            RequestKind::Set => 0,
            RequestKind::Get => 1,
            RequestKind::Delete => 2,
            RequestKind::Duplicate => 3,
            RequestKind::Totals => 4,
            RequestKind::Unknown(other) => other,
        };
        encode(&self.id, self.payload_length, self.request_id, kind)
    }

    /// True if a payload frame follows this header.
    pub fn has_payload(&self) -> bool {
        matches!(self.kind, RequestKind::Set | RequestKind::Duplicate)
    }
}

/// Encodes the header of a response, after which a payload of `payload_length` bytes follows.
pub fn encode_response(
    id: &ObjectId,
    payload_length: u64,
    request_id: u64,
    kind: ResponseKind,
) -> [u8; HEADER_LEN] {
    encode(id, payload_length, request_id, kind as u16)
}

fn encode(id: &ObjectId, payload_length: u64, request_id: u64, kind: u16) -> [u8; HEADER_LEN] {
    let mut frame = [0; HEADER_LEN];
    frame[..16].copy_from_slice(&START);
    frame[16..24].copy_from_slice(&payload_length.to_le_bytes());
    frame[24..32].copy_from_slice(&request_id.to_le_bytes());
    frame[32..34].copy_from_slice(&kind.to_le_bytes());
    frame[40..48].copy_from_slice(&ID_POINTER);
    frame[48..].copy_from_slice(&id.to_wire().unwrap_or_default());
    frame
}

/// Decodes the payload of a duplicate; `None` if it is malformed.
pub fn decode_id(payload: &[u8]) -> Option<ObjectId> {
    let payload: &[u8; ID_LEN] = payload.try_into().ok()?;
    (payload[..16] == ID_START).then(|| payload[16..].first_chunk().map(ObjectId::from_wire))?
}

/// Encodes the payload of a duplicate, as a client does.
pub fn encode_id(id: &ObjectId) -> [u8; ID_LEN] {
    let mut payload = [0; ID_LEN];
    payload[..16].copy_from_slice(&ID_START);
    payload[16..].copy_from_slice(&id.to_wire().unwrap_or_default());
    payload
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    const SET: &str = "000000000900000000000000030001000b0000000000000000000000000000000000000000000000\
        000000000400000007060504030201000f0e0d0c0b0a090817161514131211101f1e1d1c1b1a1918";
    const GET: &str = "00000000090000000000000003000100ffffffffffffffff01000000000000000100000000000000\
        000000000400000007060504030201000f0e0d0c0b0a090817161514131211101f1e1d1c1b1a1918";

    #[test]
    fn the_recorded_headers_are_decoded_and_encoded_byte_for_byte() {
        let id = ObjectId::from_hex(ID).unwrap();
        let set = RequestHeader { id: id.clone(), payload_length: 11, request_id: 0, kind: RequestKind::Set };
        let get =
            RequestHeader { id: id.clone(), payload_length: u64::MAX, request_id: 1, kind: RequestKind::Get };
        for (header, recorded) in [(set, SET), (get, GET)] {
            let recorded = hex::decode(recorded).unwrap();
            assert_eq!(RequestHeader::decode(&recorded).unwrap(), header);
            assert_eq!(header.encode().as_slice(), recorded);
        }
        assert_eq!(
            hex::encode(encode_response(&id, 11, 1, ResponseKind::Got)),
            GET.replace("ffffffffffffffff", "0b00000000000000")
        );
    }

    #[test]
    fn the_payload_of_a_duplicate_is_decoded_and_encoded_byte_for_byte() {
        let recorded = "0000000005000000000000000400000007060504030201000f0e0d0c0b0a090817161514131211101f1e1d1c1b1a1918";
        let id = decode_id(&hex::decode(recorded).unwrap()).unwrap();
        assert_eq!(id.to_string(), ID);
        assert_eq!(hex::encode(encode_id(&id)), recorded);
        assert_eq!(decode_id(&[0; ID_LEN]), None);
        assert_eq!(decode_id(&[]), None);
    }

    #[test]
    fn other_layouts_are_malformed() {
        let good = hex::decode(SET).unwrap();
        for byte in (0..16).chain(40..48) {
            let mut bad = good.clone();
            bad[byte] ^= 0x80;
            assert_eq!(RequestHeader::decode(&bad), None, "byte {byte}");
        }
        assert_eq!(RequestHeader::decode(&good[..79]), None);
        assert_eq!(RequestHeader::decode(&[good.as_slice(), &[0]].concat()), None);
    }
}
