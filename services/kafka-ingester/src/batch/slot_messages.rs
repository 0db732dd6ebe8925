use smallvec::SmallVec;

use super::msgpack;

/// The changes of a batch whose keys have the same hash slot, in the order of their offsets.
pub struct SlotMessages<'a> {
    /// The hash slot.
    pub slot: u16,
    /// How many items of a long array they are.
    pub(super) items: usize,
    pub(super) encoded: SmallVec<[&'a [u8]; 2]>,
}

impl SlotMessages<'_> {
    /// A long array of them alone.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        msgpack::write_array_header(&mut out, self.items);
        self.encoded.iter().for_each(|encoded| out.extend_from_slice(encoded));
        out
    }
}
