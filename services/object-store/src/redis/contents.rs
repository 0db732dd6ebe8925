//! Contents as this node reads and stores them: the large ones in chunks, and those it has seen lately kept for a while.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use fred::clients::Pool;
use fred::error::Error;
use redis_core::key::Key;
use tracing::warn;

use super::cache::Cache;
use super::chunks;
use super::record::{Found, Record};
use crate::id::ObjectId;
use crate::request::{Content, Hash, Object, Place, Remote};

/// The contents in Redis, as this node reads and stores them. While Redis is away it tries again, for ever.
pub(super) struct Contents {
    pool: Pool,
    prefix: String,
    /// By hash: a content never changes.
    cache: Mutex<Cache<Hash, Bytes>>,
    /// What the ids had when they were last asked for. They may have something else by now: Redis is asked whether.
    records: Mutex<Cache<ObjectId, Record>>,
    /// Contents that are being read: whoever wants one too waits for the first.
    reading: Mutex<HashMap<Hash, Arc<tokio::sync::Mutex<()>>>>,
}

impl Contents {
    pub(super) fn new(pool: Pool, prefix: String, cache_bytes: usize) -> Self {
        Self {
            pool,
            prefix,
            cache: Mutex::new(Cache::new(cache_bytes)),
            records: Mutex::new(Cache::new(cache_bytes / 8)),
            reading: Mutex::default(),
        }
    }

    /// The object with at least the first `length` bytes of its content; `None` if it is gone.
    pub(super) async fn fetch(&self, remote: &Remote, length: u64) -> Option<Object> {
        let length = usize::try_from(length).ok()?;
        match &remote.place {
            Place::Foreign(id) => self.fetch_foreign(id, usize::try_from(remote.length).ok()?).await,
            Place::Chunks { at, hash, metadata } => {
                let data = match self.cached(hash, length) {
                    Some(data) => data,
                    None if remote.length == length as u64 => self.fetch_whole(at, *hash, length).await?,
                    None => self.read(at, length).await?,
                };
                Some(Object { data, metadata: metadata.clone() })
            }
        }
    }

    async fn fetch_foreign(&self, id: &ObjectId, total: usize) -> Option<Object> {
        let key = Key::Object { prefix: &self.prefix, id_hex: &id.to_string() }.to_string();
        loop {
            match chunks::download_foreign(&self.pool, &key, total).await {
                Ok(found) => return found.map(|(metadata, data)| Object { data, metadata }),
                Err(error) => before_trying_again(&error).await,
            }
        }
    }

    async fn fetch_whole(&self, at: &str, hash: Hash, length: usize) -> Option<Bytes> {
        let turn = Arc::clone(self.reading().entry(hash).or_default());
        let first = turn.lock().await;
        let data = match self.cached(&hash, length) {
            Some(data) => Some(data),
            None => self.read(at, length).await,
        };
        if let Some(data) = &data {
            self.keep(hash, data);
        }
        drop(first);
        drop(turn);
        // Also those whose reader went away half-way.
        self.reading().retain(|_, turn| Arc::strong_count(turn) > 1);
        data
    }

    async fn read(&self, at: &str, length: usize) -> Option<Bytes> {
        loop {
            match chunks::download(&self.pool, &self.prefix, at, length).await {
                Ok(found) => return found.map(Bytes::from),
                Err(error) => before_trying_again(&error).await,
            }
        }
    }

    /// Stores the chunks of a content; false if Redis is full.
    pub(super) async fn upload(&self, at: &str, content: &Content) -> bool {
        while let Err(error) = chunks::upload(&self.pool, &self.prefix, at, &content.data).await {
            if is_full(&error) {
                return false;
            }
            before_trying_again(&error).await;
        }
        self.keep(content.hash, &content.data);
        true
    }

    /// What this node knows of an object, if it has all of it or will find the rest by its hash.
    pub(super) fn known(&self, id: &ObjectId) -> Option<Found> {
        let record = self.records().get(id)?;
        if !record.is_small() {
            return Some(Found { record, data: None });
        }
        let data = self.cache().get(&record.hash())?;
        Some(Found { record, data: Some(data) })
    }

    /// Remembers an object that was read.
    pub(super) fn remember(&self, id: ObjectId, found: &Found) {
        let record = found.record.to_owned();
        let bytes = OVERHEAD + record.bytes().len();
        if let Some(data) = &found.data {
            self.keep(record.hash(), &Bytes::copy_from_slice(data));
        }
        self.records().insert(id, record, bytes);
    }

    pub(super) fn has(&self, hash: &Hash) -> bool {
        self.cache().get(hash).is_some()
    }

    pub(super) fn forget_all(&self) {
        self.cache().clear();
        self.records().clear();
    }

    fn cached(&self, hash: &Hash, length: usize) -> Option<Bytes> {
        self.cache().get(hash).map(|data| data.slice(..length.min(data.len())))
    }

    pub(super) fn keep(&self, hash: Hash, data: &Bytes) {
        let gone = self.cache().insert(hash, data.clone(), OVERHEAD + data.len());
        drop(gone);
    }

    fn cache(&self) -> MutexGuard<'_, Cache<Hash, Bytes>> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn records(&self) -> MutexGuard<'_, Cache<ObjectId, Record>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reading(&self) -> MutexGuard<'_, HashMap<Hash, Arc<tokio::sync::Mutex<()>>>> {
        self.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Redis has as much as its `maxmemory` allows.
pub(super) fn is_full(error: &Error) -> bool {
    error.details().contains("OOM")
}

/// About what the cache takes for a value besides its bytes.
const OVERHEAD: usize = 200;

async fn before_trying_again(error: &Error) {
    warn!("redis does not answer, trying again: {}", error.details());
    tokio::time::sleep(RETRY).await;
}

const RETRY: Duration = Duration::from_millis(100);
