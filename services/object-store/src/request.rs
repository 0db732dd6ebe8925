//! What can be requested of a store, and how it responds: the same for every backend and every way to send a request.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::id::ObjectId;
use crate::object::{Content, Hash, Object, ObjectStat};
use crate::spill::Spilled;
use crate::wait_queue::WaitTotals;

/// One request. It is executed entirely or not at all.
pub(crate) enum Request {
    Set {
        id: ObjectId,
        content: Content,
        metadata: Bytes,
    },
    Get {
        id: ObjectId,
        /// Wait until the object exists, instead of responding that it does not.
        or_wait: bool,
        /// Return a content of one chunk with the response, not as [`Response::Remote`]. Used for the second attempt, after
        /// the chunks disappeared while they were being read.
        whole: bool,
    },
    Stat {
        id: ObjectId,
    },
    Delete {
        id: ObjectId,
        /// Only if the object was stored at least this long ago.
        older_than: Option<Duration>,
    },
    /// Waits until the original exists.
    Duplicate {
        id: ObjectId,
        original: ObjectId,
    },
    Totals,
    /// The set of this object was refused. Unless the object exists, who waits for it is told that it does not, and so is who
    /// asks for it in the next minutes: it may never come.
    Refuse {
        id: ObjectId,
    },
    /// A request that is malformed or not allowed. It is refused in its turn, so that responses keep their order.
    Reject,
}

/// The result of a request.
#[derive(Clone)]
pub(crate) enum Response {
    Done,
    Absent,
    Object(Object),
    /// The object exists; its content has yet to be read from Redis or from a file.
    Remote(RemoteObject),
    Stat(ObjectStat),
    Totals(Totals),
    Refused(Refused),
}

/// An object whose content is not in this process's memory.
#[derive(Clone)]
pub(crate) struct RemoteObject {
    /// Bytes to read.
    pub(crate) length: u64,
    pub(crate) location: ContentLocation,
}

/// Where a content is.
#[derive(Clone)]
pub(crate) enum ContentLocation {
    /// In Redis, in the chunks of this upload, in this partition of the store.
    Chunks { partition: u16, upload: Arc<str>, hash: Hash, metadata: Bytes },
    /// In the single string that the original server stored under this id.
    Legacy(ObjectId),
    /// In a file.
    Spilled(Spilled),
}

/// Why an object was not stored, or not returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The object is larger than the settings allow.
    #[error("the object is larger than OBJECT_STORE_MAX_OBJECT_SIZE_MB allows")]
    TooLarge,
    /// The store has reached its memory limit.
    #[error("the store is full: OBJECT_STORE_MAX_MEMORY is reached")]
    Full,
    /// The store has reached its memory limit, and contents cannot be written to files.
    #[error(
        "the store is full: OBJECT_STORE_MAX_MEMORY is reached, and OBJECT_STORE_SPILL_DIR cannot be written"
    )]
    SpillFailed,
    /// Redis has reached its own memory limit.
    #[error("redis is full: its maxmemory is reached")]
    RedisFull,
    /// What Redis has in the place of the object is not what this service stored there.
    #[error("the object cannot be read: what Redis has in its place is damaged")]
    Damaged,
    /// Redis, or the folder of spilled contents, no longer has the content of the object.
    #[error("the object is lost: its content is no longer there")]
    Lost,
    /// The set of the object was refused a while ago.
    #[error("the set of this object was refused")]
    SetRefused,
}

/// Where the memory backend has its contents. One that has come back from its file is in both places.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Places {
    /// Bytes of contents in memory.
    pub memory_bytes: u64,
    /// Contents in files.
    pub spilled_contents: u64,
    /// Their bytes.
    pub spilled_bytes: u64,
    /// How often a file was read.
    pub spill_reads: u64,
}

/// How much the store holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Totals {
    /// Number of ids.
    pub ids: u64,
    /// Number of distinct contents.
    pub contents: u64,
    /// Bytes of the distinct contents.
    pub bytes: u64,
    /// Requests that wait on this node.
    pub waiting: WaitTotals,
    /// Memory backend: where the contents are.
    pub places: Places,
}

impl Totals {
    /// Those of two parts of a store.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            ids: self.ids + other.ids,
            contents: self.contents + other.contents,
            bytes: self.bytes + other.bytes,
            waiting: self.waiting.and(other.waiting),
            places: self.places,
        }
    }
}
