//! Where objects are kept: in this process, or in Redis.

use std::sync::Arc;

use crate::id::ObjectId;
use crate::memory::{MemoryBackend, PACKED_MAX};
use crate::object::{Content, Object};
use crate::redis::{RedisBackend, RedisError};
use crate::reply_to::{ReplyTo, Woken};
use crate::request::{ContentLocation, RemoteObject, Request, Response};
use crate::wait_queue::Awaited;

/// One of the two backends.
pub(crate) enum Backend {
    Memory(Arc<MemoryBackend>),
    Redis(RedisBackend),
}

impl From<MemoryBackend> for Backend {
    fn from(memory: MemoryBackend) -> Self {
        Self::Memory(Arc::new(memory))
    }
}

impl From<RedisBackend> for Backend {
    fn from(redis: RedisBackend) -> Self {
        Self::Redis(redis)
    }
}

impl Backend {
    /// Executes a request. Returns the response, or sends it later to `reply_to`.
    pub(crate) fn execute(
        &self,
        request: Request,
        reply_to: impl FnOnce() -> ReplyTo,
    ) -> Option<(Response, Woken)> {
        match self {
            Self::Memory(memory) => memory.execute(request, reply_to),
            Self::Redis(redis) => {
                redis.submit(request, reply_to());
                None
            }
        }
    }

    /// True if every response comes later, and contents may have to be read from elsewhere.
    pub(crate) fn is_remote(&self) -> bool {
        matches!(self, Self::Redis(_))
    }

    /// Requests of one connection that may be in flight at a time.
    pub(crate) fn in_flight_max(&self) -> usize {
        match self {
            Self::Memory(_) => usize::MAX,
            Self::Redis(redis) => redis.in_flight_max(),
        }
    }

    /// True if the backend keeps the given bytes of a content of this length, and not a copy.
    pub(crate) fn keeps_bytes(&self, length: usize) -> bool {
        self.is_remote() || length > PACKED_MAX
    }

    /// True if storing a content of this length takes several steps. The client's next request has to wait for the last.
    pub(crate) fn uploads(&self, length: usize) -> bool {
        self.is_remote() && RedisBackend::uploads(length)
    }

    /// True if duplicating this object takes several steps. The client's next request has to wait for the last.
    pub(crate) fn copies(&self, id: &ObjectId, original: &ObjectId) -> bool {
        matches!(self, Self::Redis(redis) if redis.copies(id, original))
    }

    /// Waits until memory has room for a content that is to be stored, if others can be written to files for it.
    pub(crate) async fn make_room(&self, content: &mut Content) {
        if let Self::Memory(memory) = self
            && memory.spills()
        {
            content.room = Box::pin(memory.make_room_for(content)).await;
        }
    }

    /// Reads an object with at least the first `length` bytes of its content. `None` if it no longer exists.
    pub(crate) async fn fetch(&self, object: &RemoteObject, length: u64) -> Option<Object> {
        // Boxed, so that the futures of all connections do not carry the state of this one.
        match (self, &object.location) {
            (Self::Memory(memory), ContentLocation::Spilled(spilled)) => {
                Box::pin(memory.fetch(spilled)).await
            }
            (Self::Memory(_), _) => None,
            (Self::Redis(redis), _) => Box::pin(redis.fetch(object, length)).await,
        }
    }

    /// Some ids that begin with these hex digits, about `max` at most, and the position to go on from; `None` at the end. An id
    /// that exists all the time is found, perhaps twice. In no order.
    pub(crate) async fn scan(
        &self,
        after: Option<u64>,
        prefix: &str,
        max: usize,
    ) -> Result<(Vec<ObjectId>, Option<u64>), RedisError> {
        match self {
            Self::Memory(memory) => Ok(memory.scan(after, prefix, max)),
            Self::Redis(redis) => redis.scan(after, prefix, max).await,
        }
    }

    /// What requests on this node wait for, see [`WaitQueue::awaited`](crate::wait_queue::WaitQueue::awaited).
    pub(crate) fn awaited(&self, after: u64, max: usize) -> (Vec<Awaited>, Option<u64>) {
        match self {
            Self::Memory(memory) => memory.awaited(after, max),
            Self::Redis(redis) => redis.awaited(after, max),
        }
    }

    /// Cancels the waiting requests of an owner.
    pub(crate) fn cancel_waiting(&self, owner: u64) {
        match self {
            Self::Memory(memory) => memory.cancel_waiting(owner),
            Self::Redis(redis) => redis.cancel_waiting(owner),
        }
    }

    /// Number of waiting requests of an owner.
    pub(crate) fn waiting_count(&self, owner: u64) -> usize {
        match self {
            Self::Memory(memory) => memory.waiting_count(owner),
            Self::Redis(redis) => redis.waiting_count(owner),
        }
    }
}
