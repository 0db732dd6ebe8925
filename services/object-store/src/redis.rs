//! The Redis backend: what every node with the same Redis and key prefix shares. The only module that speaks Redis.
//!
//! Everything that must happen at once is one script, `batch.lua`; its head describes the keys. A node sends its
//! operations in batches, one after the other, so that they keep their order; large contents go beside them, in chunks.

mod batch;
mod cache;
mod chunks;
mod collect;
mod contents;
mod inventory;
mod operation;
mod polls;
mod record;
mod settle;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use chassis::unique;
use fred::clients::Pool;
use fred::error::Error;
use redis_core::key::Key;
use redis_core::{RedisConfig, connect};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::id::ObjectId;
use crate::request::{Answer, Asker, Content, Object, Place, Refused, Remote, Request, Wait};
use crate::waits::Waits;
use contents::Contents;
use operation::{Operation, Then, id_hex};
use record::{Record, small_content};

/// Bytes of a content that goes with its operation. In a script Redis copies them several times.
const SMALL: usize = 8 << 10;
/// Bytes of a content that is uploaded with the operation that links it, unless it is known to be there already.
const AHEAD: usize = 64 << 10;

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
    contents: Contents,
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
            contents: Contents::new(pool.clone(), prefix.clone(), cache_bytes),
            pool,
            prefix,
            node: format!("{:016x}", unique::instance_id()),
            queue: sender,
            waits: Mutex::default(),
        }));
        Ok((redis.clone(), Work { redis, queue, config }, state))
    }

    /// Sends a request on its way; the answer goes to the asker.
    pub(crate) fn submit(&self, request: Request, asker: Asker) {
        let operation = match request {
            Request::Set { id, content, metadata } => self.store(id, content, metadata, asker, None),
            Request::Get { id, or_wait, whole } => {
                let ticket = or_wait.then(|| self.waits().reserve());
                let known = if whole { None } else { self.0.contents.known(&id) };
                let have = match (&known, whole) {
                    (Some(known), _) => known.record.bytes().clone(),
                    (None, true) => Bytes::from_static(b"whole"),
                    (None, false) => Bytes::new(),
                };
                let then = Then::Get { id: id.clone(), ticket, known, asker };
                Operation::get(&id, &have, ticket, then)
            }
            Request::Stat { id } => Operation::new(&[b"stat", &id_hex(&id)], Then::Stat { id, asker }),
            Request::Delete { id } => Operation::new(&[b"delete", &id_hex(&id)], Then::Delete { asker }),
            Request::Duplicate { id, original } => {
                let ticket = self.waits().reserve();
                let then = Then::Duplicate { id: id.clone(), original: original.clone(), ticket, asker };
                Operation::duplicate(&id, &original, ticket, then)
            }
            Request::Nothing => Operation::new(&[b"alive"], Then::Nothing { asker }),
            Request::Totals => Operation::new(&[b"totals"], Then::Totals { asker }),
        };
        self.enqueue(operation);
    }

    /// A small content goes with the operation, one of middle length right before it. Of a large one it is asked first
    /// whether it is there already; if not, it is uploaded, and linked as `uploaded`.
    fn store(
        &self,
        id: ObjectId,
        content: Content,
        metadata: Bytes,
        asker: Asker,
        uploaded: Option<Arc<str>>,
    ) -> Operation {
        let (hash, length) = (&content.hash, content.data.len());
        if length <= SMALL {
            let record = Record::new(hash, None, length, &metadata);
            let small = Some(small_content(&content.data));
            let then = Then::Store { id: id.clone(), content, metadata, at: None, asker };
            let set = Operation::new(&[b"set", &id_hex(&id), record.bytes()], then);
            return Operation { content: small, ..set };
        }
        let goes_ahead = uploaded.is_none() && length <= AHEAD && !self.0.contents.has(hash);
        let is_there = if goes_ahead || uploaded.is_some() { b"1" } else { b"0" };
        let at = uploaded.unwrap_or_else(upload_name);
        let record = Record::new(hash, Some(&at), length, &metadata);
        let ahead = goes_ahead.then(|| {
            let key = Key::ObjectChunk { prefix: &self.0.prefix, at: &at, index: 0 };
            (key.to_string(), content.data.clone())
        });
        let then = Then::Store { id: id.clone(), content, metadata, at: Some(at), asker };
        Operation { ahead, ..Operation::new(&[b"link", &id_hex(&id), record.bytes(), is_there], then) }
    }

    /// True if storing a content of this length takes several steps.
    pub(crate) fn uploads(length: usize) -> bool {
        length > SMALL
    }

    fn enqueue(&self, operation: Operation) {
        // The queue is closed once the process is ending: nobody is left to hear of it.
        let _ = self.0.queue.send(operation);
    }

    /// What the owner waits for is not to happen any more, here and in Redis.
    pub(crate) fn forget(&self, owner: u64) {
        let forgotten = self.waits().forget(owner);
        for (ticket, id, wait) in forgotten {
            self.enqueue(Operation::forget(ticket, &id, &wait));
        }
    }

    pub(crate) fn waits_of(&self, owner: u64) -> usize {
        self.waits().of(owner)
    }

    fn waits(&self) -> MutexGuard<'_, Waits<Wait>> {
        self.0.waits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The object with at least the first `length` bytes of its content; `None` if it is gone.
    pub(crate) async fn fetch(&self, remote: &Remote, length: u64) -> Option<Object> {
        self.0.contents.fetch(remote, length).await
    }

    /// Stores the chunks of a large content, then links its id to it.
    async fn upload(self, at: Arc<str>, id: ObjectId, content: Content, metadata: Bytes, asker: Asker) {
        if self.0.contents.upload(&at, &content).await {
            self.enqueue(self.store(id, content, metadata, asker, Some(at)));
        } else {
            asker.answer(Answer::Refused(Refused::Full));
        }
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

/// 16 characters that no other upload has: 96 bits of chance.
fn upload_name() -> Arc<str> {
    const DIGITS: &[u8; 64] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_.";
    let digits =
        |number: u64| (0..8).map(move |place| char::from(DIGITS[(number >> (6 * place)) as usize & 63]));
    digits(unique::instance_id()).chain(digits(unique::instance_id())).collect::<String>().into()
}
