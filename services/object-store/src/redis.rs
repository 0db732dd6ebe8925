//! The Redis backend: what every node with the same Redis and key prefix shares. The only module that speaks Redis.
//!
//! Everything that must happen at once is one script, `batch.lua`; its head describes the keys. A node sends its
//! operations in batches, one after the other, so that they keep their order; large contents go beside them, in chunks.

mod batch;
mod cache;
mod chunks;
mod operation;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use fred::clients::Pool;
use fred::error::Error;
use fred::interfaces::{ClientLike, KeysInterface};
use fred::types::{InfoKind, Value};
use redis_core::key::Key;
use redis_core::{RedisConfig, connect};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::id::ObjectId;
use crate::request::{Answer, Asker, Content, Hash, Object, Place, Remote, Request, Totals, Wait};
use crate::waits::{Waiters, Waits};
use crate::ymq::INLINE_MAX;
use cache::Cache;
use operation::{Operation, Then, args};

/// What the store is to be in Redis.
#[derive(Clone)]
pub struct RedisOptions {
    /// Where Redis is.
    pub redis: RedisConfig,
    /// What every key begins with.
    pub key_prefix: String,
    /// Bytes of large contents that the node keeps to answer from.
    pub cache_bytes: usize,
}

/// Redis could not be used.
#[derive(Debug, thiserror::Error)]
pub enum RedisError {
    /// Its address or credentials make no sense.
    #[error(transparent)]
    Connect(#[from] connect::ConnectError),
    /// A command failed.
    #[error("redis: {}", .0.details())]
    Command(#[from] Error),
    /// Nothing came back in time.
    #[error("redis does not answer")]
    NoAnswer,
}

/// Memory that Redis uses.
pub(crate) struct UsedMemory {
    pub(crate) bytes: u64,
    pub(crate) human: String,
}

/// A node's view of the shared store.
#[derive(Clone)]
pub(crate) struct Redis(Arc<Shared>);

struct Shared {
    pool: Pool,
    prefix: String,
    /// Name of this process among the nodes.
    node: String,
    queue: mpsc::UnboundedSender<Operation>,
    waits: Mutex<Waits<Wait>>,
    cache: Mutex<Cache>,
    /// Contents that are being read: whoever wants one too waits for the first.
    reading: Mutex<HashMap<Hash, Arc<tokio::sync::Mutex<()>>>>,
}

/// What keeps the store going, to be run beside it until the token is cancelled.
pub(crate) struct Work {
    redis: Redis,
    queue: mpsc::UnboundedReceiver<Operation>,
    config: RedisConfig,
}

impl Redis {
    /// Begins to connect, in the background.
    ///
    /// # Errors
    /// When the address or the credentials cannot be used at all.
    pub(crate) fn connect(
        options: RedisOptions,
    ) -> Result<(Self, Work, watch::Receiver<connect::State>), RedisError> {
        let RedisOptions { redis: config, key_prefix: prefix, cache_bytes } = options;
        let connect::Connection { client: pool, state } = connect::pool(&config)?;
        let (sender, queue) = mpsc::unbounded_channel();
        let redis = Self(Arc::new(Shared {
            pool,
            prefix,
            node: format!("{:016x}", rand_u64()),
            queue: sender,
            waits: Mutex::default(),
            cache: Mutex::new(Cache::new(cache_bytes)),
            reading: Mutex::default(),
        }));
        Ok((redis.clone(), Work { redis, queue, config }, state))
    }

    /// Sends a request on its way; the answer goes to the asker.
    pub(crate) fn submit(&self, request: Request, asker: Asker) {
        let operation = match request {
            Request::Set { id, content, metadata } => self.store(id, content, metadata, asker, None),
            Request::Get { id, or_wait: false } => {
                Operation { args: get_args(&id, None), then: Then::Get { id, asker } }
            }
            Request::Get { id, or_wait: true } => {
                let ticket = self.waits().reserve();
                Operation { args: get_args(&id, Some(ticket)), then: Then::GetOrWait { id, ticket, asker } }
            }
            Request::Stat { id } => {
                Operation { args: args(["stat".into(), id_arg(&id)]), then: Then::Stat { id, asker } }
            }
            Request::Delete { id } => {
                Operation { args: args(["delete".into(), id_arg(&id)]), then: Then::Delete { asker } }
            }
            Request::Duplicate { id, original } => {
                let ticket = self.waits().reserve();
                let args = duplicate_args(&id, &original, ticket);
                Operation { args, then: Then::Duplicate { id, original, ticket, asker } }
            }
            Request::Nothing => Operation { args: args(["alive".into()]), then: Then::Nothing { asker } },
            Request::Totals => Operation { args: args(["totals".into()]), then: Then::Totals { asker } },
        };
        self.enqueue(operation);
    }

    /// A small content goes with the operation. Of a large one it is asked first whether it is there already; if not, it
    /// is uploaded, and linked as `uploaded`.
    fn store(
        &self,
        id: ObjectId,
        content: Content,
        metadata: Bytes,
        asker: Asker,
        uploaded: Option<Arc<str>>,
    ) -> Operation {
        let (hash, length) = (hex::encode(content.hash), content.data.len().to_string());
        let common =
            |name: &str| [name.into(), id_arg(&id), hash.into(), length.into(), metadata.clone().into()];
        let (args, at) = if content.data.len() <= INLINE_MAX {
            (args(common("set")).into_iter().chain([content.data.clone().into()]).collect(), None)
        } else {
            let is_there = if uploaded.is_some() { "1" } else { "0" };
            let at = uploaded.unwrap_or_else(|| format!("{:016x}{:016x}", rand_u64(), rand_u64()).into());
            (
                args(common("link")).into_iter().chain([at.as_ref().into(), is_there.into()]).collect(),
                Some(at),
            )
        };
        Operation { args, then: Then::Store { id, content, metadata, at, asker } }
    }

    fn enqueue(&self, operation: Operation) {
        // The queue is closed once the process is ending: nobody is left to hear of it.
        let _ = self.0.queue.send(operation);
    }

    /// What the owner waits for is not to happen any more, here and in Redis.
    pub(crate) fn forget(&self, owner: u64) {
        let forgotten = self.waits().forget(owner);
        for (ticket, id, wait) in forgotten {
            self.enqueue(forget_operation(ticket, &id, &wait));
        }
    }

    pub(crate) fn waits_of(&self, owner: u64) -> usize {
        self.waits().of(owner)
    }

    fn waiters(&self) -> Waiters {
        self.waits().totals()
    }

    fn waits(&self) -> MutexGuard<'_, Waits<Wait>> {
        self.0.waits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The object with at least the first `length` bytes of its content; `None` if it is gone.
    pub(crate) async fn fetch(&self, remote: &Remote, length: u64) -> Option<Object> {
        let length = usize::try_from(length).ok()?;
        match &remote.place {
            Place::Foreign(id) => {
                let key = self.object_key(id);
                let total = usize::try_from(remote.length).ok()?;
                let (metadata, data) = loop {
                    match chunks::download_foreign(&self.0.pool, &key, total).await {
                        Ok(found) => break found?,
                        Err(error) => before_trying_again(&error).await,
                    }
                };
                Some(Object { data, metadata })
            }
            Place::Chunks { at, hash, metadata } => {
                let data = self.fetch_chunks(at, *hash, length, remote.length == length as u64).await?;
                Some(Object { data, metadata: metadata.clone() })
            }
        }
    }

    async fn fetch_chunks(&self, at: &str, hash: Hash, length: usize, whole: bool) -> Option<Bytes> {
        let cached = || self.cache().get(&hash).map(|data| data.slice(..length.min(data.len())));
        if let Some(data) = cached() {
            return Some(data);
        }
        if !whole {
            return self.read_chunks(at, length).await;
        }
        let turn = Arc::clone(self.reading().entry(hash).or_default());
        let first = turn.lock().await;
        let data = match cached() {
            Some(data) => Some(data),
            None => self.read_chunks(at, length).await,
        };
        if let Some(data) = &data {
            self.keep(hash, data);
        }
        drop(first);
        let mut reading = self.reading();
        if Arc::strong_count(&turn) == 2 {
            reading.remove(&hash);
        }
        data
    }

    fn reading(&self) -> MutexGuard<'_, HashMap<Hash, Arc<tokio::sync::Mutex<()>>>> {
        self.0.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.0.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, hash: Hash, data: &Bytes) {
        let gone = self.cache().insert(hash, data.clone());
        drop(gone);
    }

    async fn read_chunks(&self, at: &str, length: usize) -> Option<Bytes> {
        loop {
            match chunks::download(&self.0.pool, &self.0.prefix, at, length).await {
                Ok(found) => return found.map(Bytes::from),
                Err(error) => before_trying_again(&error).await,
            }
        }
    }

    fn object_key(&self, id: &ObjectId) -> String {
        Key::Object { prefix: &self.0.prefix, id_hex: &id.to_string() }.to_string()
    }

    /// The original's count of bytes.
    pub(crate) async fn size(&self) -> Result<u64, RedisError> {
        let key = Key::ObjectTotalSize { prefix: &self.0.prefix }.to_string();
        Ok(self.0.pool.get::<Option<u64>, _>(key).await?.unwrap_or(0))
    }

    /// Counts the ids one by one, those of the original included.
    pub(crate) async fn count(&self) -> Result<u64, RedisError> {
        let mut count = 0;
        let meta = format!("{}_meta:", self.0.prefix);
        self.each_page(async |keys: Vec<String>| {
            count += keys.iter().filter(|key| !key.starts_with(&meta)).count() as u64;
            Ok(())
        })
        .await?;
        Ok(count)
    }

    /// Removes every key with the prefix, as the original does.
    pub(crate) async fn clear(&self) -> Result<(), RedisError> {
        self.each_page(async |keys: Vec<String>| match keys.is_empty() {
            true => Ok(()),
            false => self.0.pool.unlink::<(), _>(keys).await,
        })
        .await?;
        self.cache().clear();
        let key = Key::ObjectTotalSize { prefix: &self.0.prefix }.to_string();
        Ok(self.0.pool.set(key, 0, None, None, false).await?)
    }

    async fn each_page(
        &self,
        mut page: impl AsyncFnMut(Vec<String>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let pattern = format!("{}*", escape_glob(&self.0.prefix));
        // One connection for the whole walk: the cursor belongs to its server.
        let client = self.0.pool.next();
        let mut cursor = "0".to_owned();
        loop {
            let (next, keys): (String, Vec<String>) =
                client.scan_page(cursor, pattern.clone(), Some(1000), None).await?;
            page(keys).await?;
            if next == "0" {
                return Ok(());
            }
            cursor = next;
        }
    }

    pub(crate) async fn used_memory(&self) -> Result<UsedMemory, RedisError> {
        let info: String = self.0.pool.info(Some(InfoKind::Memory)).await?;
        let field = |name: &str| {
            let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.unwrap_or_default().trim().to_owned()
        };
        Ok(UsedMemory { bytes: field("used_memory").parse().unwrap_or(0), human: field("used_memory_human") })
    }

    fn totals(&self, fields: &[Bytes]) -> Totals {
        let number = |at: usize| {
            fields.get(at).and_then(operation::text).and_then(|text| text.parse().ok()).unwrap_or(0)
        };
        Totals { ids: number(0), contents: number(1), bytes: number(2), waiting: self.waiters() }
    }

    /// Stores the chunks of a large content, then links its id to it.
    async fn upload(self, at: Arc<str>, id: ObjectId, content: Content, metadata: Bytes, asker: Asker) {
        while let Err(error) = chunks::upload(&self.0.pool, &self.0.prefix, &at, &content.data).await {
            before_trying_again(&error).await;
        }
        self.keep(content.hash, &content.data);
        self.enqueue(self.store(id, content, metadata, asker, Some(at)));
    }

    /// Gives what the original stored at `original` to `id` too, as a content of ours.
    async fn duplicate_foreign(self, id: ObjectId, original: ObjectId, length: u64, asker: Asker) {
        let remote = Remote { length, place: Place::Foreign(original.clone()) };
        let request = match self.fetch(&remote, length).await {
            Some(Object { data, metadata }) => Request::Set { id, content: Content::new(data), metadata },
            None => Request::Duplicate { id, original },
        };
        self.submit(request, asker);
    }

    /// Length of the data and metadata of what the original stored at `id`.
    async fn stat_foreign(self, id: ObjectId, length: u64, asker: Asker) {
        let remote = Remote { length, place: Place::Foreign(id) };
        asker.answer(match self.fetch(&remote, length).await {
            Some(Object { data, metadata }) => Answer::Stat { length: data.len() as u64, metadata },
            None => Answer::Absent,
        });
    }
}

impl Work {
    /// Runs until `stopped`.
    ///
    /// # Errors
    /// When the subscriber cannot be set up at all.
    pub(crate) async fn run(self, stopped: CancellationToken) -> anyhow::Result<()> {
        batch::run(self.redis, self.queue, &self.config, stopped).await
    }
}

async fn before_trying_again(error: &Error) {
    warn!("redis does not answer, trying again: {}", error.details());
    tokio::time::sleep(RETRY).await;
}

fn id_arg(id: &ObjectId) -> Value {
    id.to_string().into()
}

/// With a ticket it waits.
fn get_args(id: &ObjectId, ticket: Option<u64>) -> Vec<Value> {
    args(["get".into(), id_arg(id), ticket.map(|ticket| ticket.to_string()).unwrap_or_default().into()])
}

fn duplicate_args(id: &ObjectId, original: &ObjectId, ticket: u64) -> Vec<Value> {
    args(["duplicate".into(), id_arg(id), id_arg(original), ticket.to_string().into()])
}

/// What a request waits for is not to happen any more.
fn forget_operation(ticket: u64, id: &ObjectId, wait: &Wait) -> Operation {
    let copy = wait.copy().map(ObjectId::to_string).unwrap_or_default();
    let args = args(["forget".into(), id_arg(id), ticket.to_string().into(), copy.into()]);
    Operation { args, then: Then::Forget }
}

/// In a pattern of Redis these have a meaning.
fn escape_glob(text: &str) -> String {
    text.chars().flat_map(|c| "*?[]\\^-".contains(c).then_some('\\').into_iter().chain([c])).collect()
}

/// A number that no other node has: from the seeds that the standard library draws for its maps.
fn rand_u64() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::process::id())
}

const RETRY: Duration = Duration::from_millis(100);
