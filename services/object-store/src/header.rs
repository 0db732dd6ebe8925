//! The 80-byte Cap'n Proto header of every request and answer, and the 48-byte object id of a duplicate.
//!
//! The schema is fixed and the released peers always write it the same way: one segment, no far pointers. So the
//! message is a fixed layout, and anything else is malformed; a Cap'n Proto library would add a traversal and buy nothing.
//!
//! ```text
//!  0  00000000 09000000   one segment of nine words
//!  8  00000000 0300 0100  struct: three data words, one pointer
//! 16  payloadLength u64 · 24 requestID u64 · 32 type u16, six bytes of padding
//! 40  00000000 0400 0000  struct: four data words
//! 48  objectID, four u64
//! ```

use crate::id::ObjectId;

/// Bytes of a header.
pub const HEADER_LEN: usize = 80;
/// Bytes of the payload that names the original of a duplicate.
pub const ID_LEN: usize = 48;

const START: [u8; 16] = [0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 3, 0, 1, 0];
const ID_POINTER: [u8; 8] = [0, 0, 0, 0, 4, 0, 0, 0];
const ID_START: [u8; 16] = [0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0];

/// What a client asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// Store or replace; the payload follows.
    Set,
    /// At most `payload_length` bytes of the object, as soon as there is one.
    Get,
    /// Remove.
    Delete,
    /// Give the content of the id in the payload to this id too.
    Duplicate,
    /// Totals of the store.
    Totals,
    /// A type that this version does not know.
    Unknown(u16),
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub enum Outcome {
    /// Stored.
    Set = 0,
    /// The payload follows, unless it is empty.
    Got = 1,
    /// Removed.
    Deleted = 2,
    /// There was no such object; also the answer to every request that is refused.
    NotExists = 3,
    /// Both ids have the content.
    Duplicated = 4,
    /// Six numbers follow.
    Totals = 5,
}

/// The header of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestHeader {
    /// The object, for a duplicate the new one.
    pub id: ObjectId,
    /// Bytes of the payload that follows; for a get the most that the client takes.
    pub payload_length: u64,
    /// Chosen by the client, repeated in the answer.
    pub request: u64,
    /// The type.
    pub ask: Ask,
}

impl RequestHeader {
    /// Reads a header; `None` if it is not laid out as the schema says.
    pub fn decode(frame: &[u8]) -> Option<Self> {
        let frame: &[u8; HEADER_LEN] = frame.try_into().ok()?;
        if frame[..16] != START || frame[40..48] != ID_POINTER {
            return None;
        }
        let ask = match u16::from_le_bytes([frame[32], frame[33]]) {
            0 => Ask::Set,
            1 => Ask::Get,
            2 => Ask::Delete,
            3 => Ask::Duplicate,
            4 => Ask::Totals,
            other => Ask::Unknown(other),
        };
        Some(Self {
            id: ObjectId::from_wire(frame[48..].first_chunk()?),
            payload_length: u64::from_le_bytes(*frame[16..].first_chunk()?),
            request: u64::from_le_bytes(*frame[24..].first_chunk()?),
            ask,
        })
    }

    /// Writes a header, as a client does.
    pub fn encode(&self) -> [u8; HEADER_LEN] {
        let ask = match self.ask {
            Ask::Set => 0,
            Ask::Get => 1,
            Ask::Delete => 2,
            Ask::Duplicate => 3,
            Ask::Totals => 4,
            Ask::Unknown(other) => other,
        };
        encode(&self.id, self.payload_length, self.request, ask)
    }

    /// True if a second frame follows this header.
    pub fn has_payload(&self) -> bool {
        matches!(self.ask, Ask::Set | Ask::Duplicate)
    }
}

/// The header of an answer to `request` about `id`, with `payload_length` bytes to follow.
pub fn answer(id: &ObjectId, payload_length: u64, request: u64, outcome: Outcome) -> [u8; HEADER_LEN] {
    encode(id, payload_length, request, outcome as u16)
}

fn encode(id: &ObjectId, payload_length: u64, request: u64, kind: u16) -> [u8; HEADER_LEN] {
    let mut frame = [0; HEADER_LEN];
    frame[..16].copy_from_slice(&START);
    frame[16..24].copy_from_slice(&payload_length.to_le_bytes());
    frame[24..32].copy_from_slice(&request.to_le_bytes());
    frame[32..34].copy_from_slice(&kind.to_le_bytes());
    frame[40..48].copy_from_slice(&ID_POINTER);
    frame[48..].copy_from_slice(&id.to_wire().unwrap_or_default());
    frame
}

/// Reads the payload of a duplicate; `None` if it is malformed.
pub fn decode_id(payload: &[u8]) -> Option<ObjectId> {
    let payload: &[u8; ID_LEN] = payload.try_into().ok()?;
    (payload[..16] == ID_START).then(|| payload[16..].first_chunk().map(ObjectId::from_wire))?
}

/// Writes the payload of a duplicate, as a client does.
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
    fn the_recorded_headers_are_read_and_written_byte_for_byte() {
        let id = ObjectId::from_hex(ID).unwrap();
        let set = RequestHeader { id: id.clone(), payload_length: 11, request: 0, ask: Ask::Set };
        let get = RequestHeader { id: id.clone(), payload_length: u64::MAX, request: 1, ask: Ask::Get };
        for (header, recorded) in [(set, SET), (get, GET)] {
            let recorded = hex::decode(recorded).unwrap();
            assert_eq!(RequestHeader::decode(&recorded).unwrap(), header);
            assert_eq!(header.encode().as_slice(), recorded);
        }
        assert_eq!(
            hex::encode(answer(&id, 11, 1, Outcome::Got)),
            GET.replace("ffffffffffffffff", "0b00000000000000")
        );
    }

    #[test]
    fn the_original_of_a_duplicate_is_read_and_written_byte_for_byte() {
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
        for at in (0..16).chain(40..48) {
            let mut bad = good.clone();
            bad[at] ^= 0x80;
            assert_eq!(RequestHeader::decode(&bad), None, "byte {at}");
        }
        assert_eq!(RequestHeader::decode(&good[..79]), None);
        assert_eq!(RequestHeader::decode(&[good.as_slice(), &[0]].concat()), None);
    }
}
