//! What can be asked of a store, and how it answers: the same for every backend and for every way to ask.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::oneshot;

use crate::budget::Claim;
use crate::id::ObjectId;
use crate::session::{Reply, Session};
use crate::waits::Waiters;

/// The BLAKE3 hash of a content, which is what makes two contents the same.
pub(crate) type Hash = [u8; 32];

/// The bytes of an object, and their hash.
pub(crate) struct Content {
    pub(crate) data: Bytes,
    pub(crate) hash: Hash,
    /// The memory that it takes while it is on its way into the store.
    pub(crate) claim: Option<Claim>,
}

impl Content {
    pub(crate) fn new(data: Bytes) -> Self {
        Self { hash: *blake3::hash(&data).as_bytes(), data, claim: None }
    }
}

/// An object: its content, and what its owner noted beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// The content.
    pub data: Bytes,
    /// Empty for objects that came over the wire.
    pub metadata: Bytes,
}

/// What the store holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Totals {
    /// Ids.
    pub ids: u64,
    /// Distinct contents behind them.
    pub contents: u64,
    /// Bytes of the distinct contents.
    pub bytes: u64,
    /// Requests that wait on this node.
    pub waiting: Waiters,
}

/// One thing to do, all at once or not at all.
pub(crate) enum Request {
    Set {
        id: ObjectId,
        content: Content,
        metadata: Bytes,
    },
    Get {
        id: ObjectId,
        or_wait: bool,
        /// A content that could come in parts is to come at once, if it is not too large: its parts were gone when they were
        /// read.
        whole: bool,
    },
    Stat {
        id: ObjectId,
    },
    Delete {
        id: ObjectId,
    },
    /// Waits for the original.
    Duplicate {
        id: ObjectId,
        original: ObjectId,
    },
    Totals,
    /// What makes no sense or cannot be granted: it takes its turn, and is refused.
    Nothing,
}

/// How it ended.
pub(crate) enum Answer {
    Done,
    Absent,
    Object(Object),
    /// An object whose content is still to be read from where it lies.
    Remote(Remote),
    Stat {
        length: u64,
        metadata: Bytes,
    },
    Totals(Totals),
    Refused(Refused),
}

/// An object whose content this node does not hold.
#[derive(Clone)]
pub(crate) struct Remote {
    /// Bytes to be read.
    pub(crate) length: u64,
    pub(crate) place: Place,
}

/// Where a content lies in Redis.
#[derive(Clone)]
pub(crate) enum Place {
    /// In chunks with this name.
    Chunks { at: Arc<str>, hash: Hash, metadata: Bytes },
    /// In one string, as the original stores it.
    Foreign(ObjectId),
}

/// Why an object was not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Longer than the settings allow.
    #[error("the object is larger than max_object_size_mb allows")]
    TooLarge,
    /// The memory backend holds as much as it may.
    #[error("the store is full: max_memory is reached")]
    Full,
}

/// Clients whose requests waited until now.
pub(crate) type Woken = Vec<Arc<Session>>;

/// Who asked, and so where the answer goes.
pub(crate) enum Asker {
    Client(Reply),
    Caller(oneshot::Sender<Answer>),
}

impl Asker {
    /// Groups what waits, so that it can be forgotten when the asker goes.
    pub(crate) fn owner(&self) -> u64 {
        match self {
            Self::Client(reply) => reply.owner(),
            Self::Caller(_) => 0,
        }
    }

    /// Nobody will hear an answer. Known before what it waits for is forgotten.
    pub(crate) fn is_gone(&self) -> bool {
        match self {
            Self::Client(reply) => reply.is_gone(),
            Self::Caller(sender) => sender.is_closed(),
        }
    }

    /// The client that asked.
    pub(crate) fn session(&self) -> Option<&Arc<Session>> {
        match self {
            Self::Client(reply) => Some(reply.session()),
            Self::Caller(_) => None,
        }
    }

    pub(crate) fn answer(self, answer: Answer) {
        match self {
            Self::Client(reply) => reply.answer(answer),
            // A caller that went away wants no answer.
            Self::Caller(sender) => drop(sender.send(answer)),
        }
    }

    /// The answer will come when the object does: what was asked later need not wait for it.
    pub(crate) fn waits(&mut self) {
        if let Self::Client(reply) = self {
            reply.waits();
        }
    }
}

/// A request that waits for an object.
pub(crate) enum Wait {
    Get(Asker),
    Duplicate { id: ObjectId, asker: Asker },
}

impl Wait {
    /// The id that a duplicate will have.
    pub(crate) fn copy(&self) -> Option<&ObjectId> {
        match self {
            Self::Get(_) => None,
            Self::Duplicate { id, .. } => Some(id),
        }
    }
}
