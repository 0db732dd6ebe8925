//! An object, its content, and the hash by which equal contents are shared.

use std::time::Duration;

use bytes::Bytes;

use crate::budget::Claim;
use crate::room::Room;

/// The BLAKE3 hash of a content. Two contents with the same hash are the same content.
pub(crate) type Hash = [u8; 32];

/// The bytes of an object, and their hash.
pub(crate) struct Content {
    pub(crate) data: Bytes,
    pub(crate) hash: Hash,
    /// The part of the transfer budget that the bytes take until they are stored.
    pub(crate) permit: Option<Claim>,
    /// The room in memory that was made for it.
    pub(crate) room: Option<Room>,
}

impl Content {
    pub(crate) fn new(data: Bytes) -> Self {
        Self { hash: *blake3::hash(&data).as_bytes(), data, permit: None, room: None }
    }
}

/// An object: its content, and the metadata that was stored with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// The content.
    pub data: Bytes,
    /// Empty for objects that came over the wire.
    pub metadata: Bytes,
}

/// An object without its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectStat {
    /// Length of the content, in bytes.
    pub length: u64,
    /// As in [`Object`].
    pub metadata: Bytes,
    /// How long ago the object was stored, to the second. Unknown for what the original or an older version stored.
    pub age: Option<Duration>,
}
