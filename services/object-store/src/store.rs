//! The store as a library: put, get and delete objects, in memory or in Redis.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::backend::Backend;
use crate::id::ObjectId;
use crate::info::Info;
use crate::memory::MemoryBackend;
use crate::object::{Content, Object, ObjectStat};
use crate::redis::{self, RedisError, RedisOptions};
use crate::reply_to::ReplyTo;
use crate::request::{Refused, Request, Response, Totals};
use crate::shared_reads::{ReadClaim, SharedReads};

/// How long a caller waits for Redis. Clients of the wire wait for ever.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// Memory of this process, in bytes. 0 where the system does not say.
fn resident_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
    line.and_then(|kib| kib.parse::<u64>().ok()).map_or(0, |kib| kib << 10)
}

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
    pub(crate) backend: Backend,
    max_object: u64,
    /// Stops the Redis worker when the store is dropped.
    _worker: Option<DropGuard>,
}

/// An operation of the store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The object was not accepted, or cannot be read.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// Redis failed, or did not answer in time.
    #[error(transparent)]
    Redis(#[from] RedisError),
}

impl ObjectStore {
    /// A store in this process's memory, of at most `max_bytes` of distinct contents.
    pub fn memory(max_bytes: u64) -> Self {
        Self::new(MemoryBackend::new(max_bytes, None).into())
    }

    /// The store that is shared by all nodes with the same Redis and key prefix. It connects in the background. Dropping it
    /// closes its connections.
    ///
    /// # Errors
    /// When the address or the credentials of Redis are malformed.
    pub fn redis(options: RedisOptions) -> Result<Self, RedisError> {
        let (backend, worker, _) = redis::connect(options)?;
        let stopped = CancellationToken::new();
        let store = Self { _worker: Some(stopped.clone().drop_guard()), ..Self::new(backend.into()) };
        tokio::spawn(async move {
            if let Err(reason) = worker.run(stopped).await {
                tracing::error!("the redis worker of the store failed: {reason:#}");
            }
        });
        Ok(store)
    }

    /// A store on this backend. The caller runs the worker of a Redis backend.
    pub(crate) fn new(backend: Backend) -> Self {
        Self { backend, max_object: u64::MAX, _worker: None }
    }

    /// The same store with a limit: objects of more than `bytes` are refused.
    #[must_use]
    pub fn with_max_object(self, bytes: u64) -> Self {
        Self { max_object: bytes, ..self }
    }

    /// Stores or replaces an object.
    ///
    /// # Errors
    /// When the object is too large, the store is full, or Redis does not answer in time.
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
        let mut content = Content::new(data);
        self.backend.make_room(&mut content).await;
        match self.call(Request::Set { id: id.clone(), content, metadata }).await? {
            Response::Refused(refused) => Err(refused.into()),
            _ => Ok(()),
        }
    }

    /// Returns the object with this id, if it exists.
    ///
    /// # Errors
    /// When Redis does not answer in time, or has something else in the place of the object.
    pub async fn get(&self, id: &ObjectId) -> Result<Option<Object>, StoreError> {
        Ok(self.get_within(id, None).await?.map(|(object, _)| object))
    }

    /// As [`ObjectStore::get`]. What has to be read from elsewhere is read within a budget, and shared.
    /// What is in this process's memory is shared anyway, and takes no more.
    pub(crate) async fn get_within(
        &self,
        id: &ObjectId,
        reads: Option<&SharedReads>,
    ) -> Result<Option<(Object, Option<ReadClaim>)>, StoreError> {
        let mut whole = false;
        loop {
            match self.call(Request::Get { id: id.clone(), or_wait: false, whole }).await? {
                Response::Object(object) => return Ok(Some((object, None))),
                Response::Remote(remote) => {
                    let reading = self.backend.fetch(&remote, remote.length);
                    let (object, claim) = match reads {
                        None => (reading.await, None),
                        Some(reads) => {
                            let (object, claim) = reads.get(&remote, reading).await;
                            (object, Some(claim))
                        }
                    };
                    if let Some(object) = object {
                        return Ok(Some((object, claim)));
                    }
                    // The object was replaced or deleted while it was read. Get what is there now.
                    whole = true;
                }
                Response::Refused(refused) => return Err(refused.into()),
                _ => return Ok(None),
            }
        }
    }

    /// Returns whether there is an object with this id, even if it cannot be read.
    ///
    /// # Errors
    /// When Redis does not answer in time.
    pub async fn exists(&self, id: &ObjectId) -> Result<bool, StoreError> {
        match self.stat(id).await {
            Err(StoreError::Refused(Refused::Damaged)) => Ok(true),
            stat => Ok(stat?.is_some()),
        }
    }

    /// Returns the object's length, metadata and age, if it exists.
    ///
    /// # Errors
    /// When Redis does not answer in time, or has something else in the place of the object.
    pub async fn stat(&self, id: &ObjectId) -> Result<Option<ObjectStat>, StoreError> {
        match self.call(Request::Stat { id: id.clone() }).await? {
            Response::Stat(stat) => Ok(Some(stat)),
            Response::Refused(refused) => Err(refused.into()),
            _ => Ok(None),
        }
    }

    /// Removes the object. Returns false if there was none.
    ///
    /// # Errors
    /// When Redis does not answer in time, or has something else in the place of the object.
    pub async fn delete(&self, id: &ObjectId) -> Result<bool, StoreError> {
        self.delete_if_older(id, None).await
    }

    /// As [`ObjectStore::delete`], but only if the object was stored at least so long ago.
    pub(crate) async fn delete_if_older(
        &self,
        id: &ObjectId,
        older_than: Option<Duration>,
    ) -> Result<bool, StoreError> {
        match self.call(Request::Delete { id: id.clone(), older_than }).await? {
            Response::Refused(refused) => Err(refused.into()),
            response => Ok(matches!(response, Response::Done)),
        }
    }

    /// Returns the bytes of all ids, see [`Info::total_size_bytes`].
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

    /// Returns how much the store holds. In Redis the ids are counted one by one, as the original does.
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
            used_memory: resident_memory(),
            places: matches!(self.backend, Backend::Memory(_)).then_some(totals.places),
            redis_used_memory: None,
            redis_used_memory_human: None,
        };
        if let Backend::Redis(redis) = &self.backend {
            info.backend = "redis";
            info.object_count = redis.count().await?;
            let memory = redis.used_memory().await?;
            info.used_memory = memory.bytes;
            (info.redis_used_memory, info.redis_used_memory_human) = (Some(memory.bytes), Some(memory.human));
        }
        Ok(info)
    }

    /// Returns the counts of ids and contents, without reading every key.
    ///
    /// # Errors
    /// When Redis does not answer in time.
    pub async fn totals(&self) -> Result<Totals, StoreError> {
        match self.call(Request::Totals).await? {
            Response::Totals(totals) => Ok(totals),
            _ => Ok(Totals::default()),
        }
    }

    /// Executes a request and waits for its response.
    async fn call(&self, request: Request) -> Result<Response, StoreError> {
        let (sender, receiver) = oneshot::channel();
        match self.backend.execute(request, || ReplyTo::Caller(sender)) {
            Some((response, _)) => Ok(response),
            None => Ok(timeout(CALL_TIMEOUT, receiver)
                .await
                .ok()
                .and_then(Result::ok)
                .ok_or(RedisError::NoAnswer)?),
        }
    }
}
