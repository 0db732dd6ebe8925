//! Object ids: 1 to 256 bytes, written as hex.

use std::fmt;

use smallvec::SmallVec;

/// The id of an object. Ids on the wire have 32 bytes; the library accepts 1 to [`ObjectId::MAX`] bytes.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectId(SmallVec<[u8; 32]>);

/// The text or bytes are not an object id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an object id is 1 to {} bytes, in hex an even number of digits", ObjectId::MAX)]
pub struct BadId;

impl ObjectId {
    /// The longest id, in bytes.
    pub const MAX: usize = 256;

    /// Makes an id from its bytes.
    ///
    /// # Errors
    /// When `bytes` is empty or longer than [`ObjectId::MAX`].
    pub fn new(bytes: &[u8]) -> Result<Self, BadId> {
        if bytes.is_empty() || bytes.len() > Self::MAX { Err(BadId) } else { Ok(Self(bytes.into())) }
    }

    /// Parses an id from hex digits.
    ///
    /// # Errors
    /// When `text` is not hex, or the id would be empty or too long.
    pub fn from_hex(text: &str) -> Result<Self, BadId> {
        Self::new(&hex::decode(text).map_err(|_| BadId)?)
    }

    /// On the wire an id is four little-endian u64. In the library (and in Redis) each u64 is big-endian.
    pub(crate) fn from_wire(bytes: &[u8; 32]) -> Self {
        Self(swap_words(bytes).into())
    }

    /// The wire form. `None` if the id does not have 32 bytes; such an id never reaches the wire.
    pub(crate) fn to_wire(&self) -> Option<[u8; 32]> {
        self.0.as_slice().try_into().ok().map(swap_words)
    }

    /// Whether the id in hex begins with these digits.
    pub(crate) fn begins_with(&self, digits: &str) -> bool {
        digits.is_empty() || self.to_string().starts_with(digits)
    }

    /// The bytes of the id.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<[u8; 32]> for ObjectId {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes.into())
    }
}

/// Reverses the bytes of each u64.
fn swap_words(bytes: &[u8; 32]) -> [u8; 32] {
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
    fn the_numbers_of_the_wire_are_big_endian_in_the_library() {
        let wire = hex::decode("07060504030201000f0e0d0c0b0a090817161514131211101f1e1d1c1b1a1918").unwrap();
        let id = ObjectId::from_wire(&wire.clone().try_into().unwrap());
        assert_eq!(id.to_string(), "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
        assert_eq!(id.to_wire().unwrap().as_slice(), wire);
    }

    #[test]
    fn ids_of_any_length_up_to_the_maximum_are_accepted() {
        assert_eq!(ObjectId::from_hex("00ff").unwrap().as_bytes(), [0, 255]);
        assert_eq!(ObjectId::from_hex("00ff").unwrap().to_wire(), None);
        for bad in ["", "0", "xy", &"00".repeat(257)] {
            assert_eq!(ObjectId::from_hex(bad), Err(BadId), "{bad}");
        }
    }
}
