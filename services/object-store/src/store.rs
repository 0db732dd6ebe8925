//! The store as a library: put, get and delete objects, in memory or in Redis.

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::id::ObjectId;
use crate::memory::{Memory, PACKED_MAX};
use crate::redis::{Redis, RedisError, RedisOptions};
use crate::request::{Answer, Asker, Content, Object, Refused, Remote, Request, Totals, Woken};

/// A store of objects.
///
/// ```
/// use object_store::{ObjectId, ObjectStore};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = ObjectStore::memory(64 << 20);
/// let id = ObjectId::from_hex("0badcafe")?;
/// store.put(&id, "some bytes", "text/plain").await?;
///
/// let object = store.get(&id).await?.ok_or("just stored")?;
/// assert_eq!(object.data, "some bytes");
/// assert_eq!(object.metadata, "text/plain");
/// assert_eq!(store.info().await?.object_count, 1);
///
/// assert!(store.delete(&id).await?);
/// assert!(!store.exists(&id).await?);
/// # Ok(())
/// # }
/// ```
pub struct ObjectStore {
    backend: Backend,
    max_object: u64,
    /// Ends the work beside it.
    _working: Option<DropGuard>,
}

enum Backend {
    Memory(Box<Memory>),
    Redis(Redis),
}

/// An operation of the store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The object cannot be taken.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// Redis cannot be used, or could not in time.
    #[error(transparent)]
    Redis(#[from] RedisError),
}

/// What [`ObjectStore::info`] says; as JSON the same as the original's `get_info`, and more.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Info {
    /// `memory` or `redis`.
    #[serde(rename = "type")]
    pub backend: &'static str,
    /// Ids.
    pub object_count: u64,
    /// Bytes of all ids as the original counts them: a length of 4 bytes, metadata and data, shared or not.
    pub total_size_bytes: u64,
    /// Longest object that is taken, in MiB.
    pub max_object_size_mb: u64,
    /// Distinct contents.
    pub unique_object_count: u64,
    /// Bytes of the distinct contents.
    pub unique_size_bytes: u64,
    /// Requests that wait on this node.
    pub pending_request_count: u64,
    /// Memory that Redis uses, in bytes; absent for the memory backend.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redis_used_memory: Option<u64>,
    /// The same for people, as Redis words it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redis_used_memory_human: Option<String>,
}

impl ObjectStore {
    /// A store in this process's memory that holds at most `max_bytes` of distinct contents.
    pub fn memory(max_bytes: u64) -> Self {
        Self::of_memory(Memory::new(max_bytes))
    }

    /// The store that every node with the same Redis and key prefix shares. It connects in the background; dropping it
    /// ends its connections.
    ///
    /// # Errors
    /// When the address or the credentials cannot be used at all.
    pub fn redis(options: RedisOptions) -> Result<Self, RedisError> {
        let (redis, work, _) = Redis::connect(options)?;
        let stopped = CancellationToken::new();
        let store = Self { _working: Some(stopped.clone().drop_guard()), ..Self::of_redis(redis) };
        tokio::spawn(async move {
            if let Err(reason) = work.run(stopped).await {
                tracing::error!("the store in redis stopped: {reason:#}");
            }
        });
        Ok(store)
    }

    pub(crate) fn of_memory(memory: Memory) -> Self {
        Self { backend: Backend::Memory(Box::new(memory)), max_object: u64::MAX, _working: None }
    }

    /// Its work is run elsewhere.
    pub(crate) fn of_redis(redis: Redis) -> Self {
        Self { backend: Backend::Redis(redis), max_object: u64::MAX, _working: None }
    }

    /// The same store, refusing objects of more than `bytes`.
    #[must_use]
    pub fn with_max_object(self, bytes: u64) -> Self {
        Self { max_object: bytes, ..self }
    }

    /// Stores or replaces an object.
    ///
    /// # Errors
    /// When the object is too large or the store is full.
    pub async fn put(
        &self,
        id: &ObjectId,
        data: impl Into<Bytes>,
        metadata: impl Into<Bytes>,
    ) -> Result<(), StoreError> {
        let (data, metadata) = (data.into(), metadata.into());
        if (data.len() + metadata.len()) as u64 > self.max_object {
            return Err(Refused::TooLarge.into());
        }
        match self.ask(Request::Set { id: id.clone(), content: Content::new(data), metadata }).await? {
            Answer::Refused(refused) => Err(refused.into()),
            _ => Ok(()),
        }
    }

    /// The object with this id, if there is one.
    ///
    /// # Errors
    /// When Redis does not answer in time.
    pub async fn get(&self, id: &ObjectId) -> Result<Option<Object>, StoreError> {
        let mut whole = false;
        loop {
            match self.ask(Request::Get { id: id.clone(), or_wait: false, whole }).await? {
                Answer::Object(object) => return Ok(Some(object)),
                Answer::Remote(remote) => {
                    if let Some(object) = self.fetch(&remote, remote.length).await {
                        return Ok(Some(object));
                    }
                    // Replaced or deleted while it was read: what is there now?
                    whole = true;
                }
                _ => return Ok(None),
            }
        }
    }

    /// Whether there is an object with this id.
    ///
    /// # Errors
    /// When Redis does not answer in time.
    pub async fn exists(&self, id: &ObjectId) -> Result<bool, StoreError> {
        Ok(self.stat(id).await?.is_some())
    }

    /// Length in bytes and metadata of the object, if there is one.
    ///
    /// # Errors
    /// When Redis does not answer in time.
    pub async fn stat(&self, id: &ObjectId) -> Result<Option<(u64, Bytes)>, StoreError> {
        match self.ask(Request::Stat { id: id.clone() }).await? {
            Answer::Stat { length, metadata } => Ok(Some((length, metadata))),
            _ => Ok(None),
        }
    }

    /// Removes the object; false if there was none.
    ///
    /// # Errors
    /// When Redis does not answer in time.
    pub async fn delete(&self, id: &ObjectId) -> Result<bool, StoreError> {
        Ok(matches!(self.ask(Request::Delete { id: id.clone() }).await?, Answer::Done))
    }

    /// Bytes of all ids, see [`Info::total_size_bytes`].
    ///
    /// # Errors
    /// When Redis does not answer in time.
    pub async fn size(&self) -> Result<u64, StoreError> {
        match &self.backend {
            Backend::Memory(memory) => Ok(memory.size()),
            Backend::Redis(redis) => Ok(redis.size().await?),
        }
    }

    /// Removes every object.
    ///
    /// # Errors
    /// When Redis does not answer in time.
    pub async fn clear(&self) -> Result<(), StoreError> {
        match &self.backend {
            Backend::Memory(memory) => memory.clear(),
            Backend::Redis(redis) => redis.clear().await?,
        }
        Ok(())
    }

    /// What the store holds. In Redis the ids are counted one by one, as the original does.
    ///
    /// # Errors
    /// When Redis does not answer in time.
    pub async fn info(&self) -> Result<Info, StoreError> {
        let totals = self.totals().await?;
        let mut info = Info {
            backend: "memory",
            object_count: totals.ids,
            total_size_bytes: self.size().await?,
            max_object_size_mb: self.max_object >> 20,
            unique_object_count: totals.contents,
            unique_size_bytes: totals.bytes,
            pending_request_count: totals.waiting.requests,
            redis_used_memory: None,
            redis_used_memory_human: None,
        };
        if let Backend::Redis(redis) = &self.backend {
            info.backend = "redis";
            info.object_count = redis.count().await?;
            let memory = redis.used_memory().await?;
            (info.redis_used_memory, info.redis_used_memory_human) = (Some(memory.bytes), Some(memory.human));
        }
        Ok(info)
    }

    /// Counts of ids and contents, in one step.
    ///
    /// # Errors
    /// When Redis does not answer in time.
    pub async fn totals(&self) -> Result<Totals, StoreError> {
        match self.ask(Request::Totals).await? {
            Answer::Totals(totals) => Ok(totals),
            _ => Ok(Totals::default()),
        }
    }

    async fn ask(&self, request: Request) -> Result<Answer, StoreError> {
        let (sender, receiver) = oneshot::channel();
        match self.execute(request, || Asker::Caller(sender)) {
            Some((answer, _)) => Ok(answer),
            None => Ok(tokio::time::timeout(PATIENCE, receiver)
                .await
                .ok()
                .and_then(Result::ok)
                .ok_or(RedisError::NoAnswer)?),
        }
    }

    /// Answers now, or later by way of the asker.
    pub(crate) fn execute(&self, request: Request, asker: impl FnOnce() -> Asker) -> Option<(Answer, Woken)> {
        match &self.backend {
            Backend::Memory(memory) => memory.execute(request, asker),
            Backend::Redis(redis) => {
                redis.submit(request, asker());
                None
            }
        }
    }

    /// True if the store keeps a content of this length as it is given, and not a copy.
    pub(crate) fn keeps(&self, length: usize) -> bool {
        self.is_remote() || length > PACKED_MAX
    }

    /// True if every answer comes later, by way of the asker.
    pub(crate) fn is_remote(&self) -> bool {
        matches!(self.backend, Backend::Redis(_))
    }

    /// True if storing a content of this length takes several steps: what its client asks next has to wait for the last.
    pub(crate) fn uploads(&self, length: usize) -> bool {
        self.is_remote() && Redis::uploads(length)
    }

    /// The object with at least the first `length` bytes of its content; `None` if it is gone.
    pub(crate) async fn fetch(&self, remote: &Remote, length: u64) -> Option<Object> {
        match &self.backend {
            Backend::Memory(_) => None,
            // Boxed, so that the futures of all connections do not carry the room for it.
            Backend::Redis(redis) => Box::pin(redis.fetch(remote, length)).await,
        }
    }

    pub(crate) fn forget(&self, owner: u64) {
        match &self.backend {
            Backend::Memory(memory) => memory.forget(owner),
            Backend::Redis(redis) => redis.forget(owner),
        }
    }

    pub(crate) fn waits_of(&self, owner: u64) -> usize {
        match &self.backend {
            Backend::Memory(memory) => memory.waits_of(owner),
            Backend::Redis(redis) => redis.waits_of(owner),
        }
    }
}

/// How long a caller waits for Redis; clients of the wire wait for ever.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);
