//! Object ids: bytes of any length, written as hex.

use std::fmt;

use smallvec::SmallVec;

/// The id of an object. On the wire it has 32 bytes; the library takes 1 to [`ObjectId::MAX`].
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectId(SmallVec<[u8; 32]>);

/// Text or bytes that are no object id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an object id is 1 to {} bytes, in hex an even number of digits", ObjectId::MAX)]
pub struct BadId;

impl ObjectId {
    /// The longest id, in bytes.
    pub const MAX: usize = 256;

    /// An id of the library.
    ///
    /// # Errors
    /// When it has no bytes or more than [`ObjectId::MAX`].
    pub fn new(bytes: &[u8]) -> Result<Self, BadId> {
        if bytes.is_empty() || bytes.len() > Self::MAX { Err(BadId) } else { Ok(Self(bytes.into())) }
    }

    /// The id that is written as `text` in hex.
    ///
    /// # Errors
    /// When it is not hex, or its length does not fit.
    pub fn from_hex(text: &str) -> Result<Self, BadId> {
        Self::new(&hex::decode(text).map_err(|_| BadId)?)
    }

    /// The wire has four numbers, each little-endian; the library's order is that of their big-endian bytes.
    pub(crate) fn from_wire(bytes: &[u8; 32]) -> Self {
        Self(swapped(bytes).into())
    }

    /// The wire's form; an id that is not of 32 bytes has none and never reaches the wire.
    pub(crate) fn to_wire(&self) -> Option<[u8; 32]> {
        self.0.as_slice().try_into().ok().map(swapped)
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

fn swapped(bytes: &[u8; 32]) -> [u8; 32] {
    let mut swapped = *bytes;
    swapped.chunks_exact_mut(8).for_each(<[u8]>::reverse);
    swapped
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wire_s_numbers_are_big_endian_in_the_library() {
        let wire = hex::decode("07060504030201000f0e0d0c0b0a090817161514131211101f1e1d1c1b1a1918").unwrap();
        let id = ObjectId::from_wire(&wire.clone().try_into().unwrap());
        assert_eq!(id.to_string(), "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
        assert_eq!(id.to_wire().unwrap().as_slice(), wire);
    }

    #[test]
    fn ids_of_any_length_are_taken_up_to_the_longest() {
        assert_eq!(ObjectId::from_hex("00ff").unwrap().as_bytes(), [0, 255]);
        assert_eq!(ObjectId::from_hex("00ff").unwrap().to_wire(), None);
        for bad in ["", "0", "xy", &"00".repeat(257)] {
            assert_eq!(ObjectId::from_hex(bad), Err(BadId), "{bad}");
        }
    }
}
