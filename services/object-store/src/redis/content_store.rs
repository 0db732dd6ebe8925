//! The contents in Redis, as this node reads and stores them: large ones in chunks, with a cache in front for all partitions.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fred::error::Error;
use parking_lot::Mutex;
use redis_core::error::{RETRY_INTERVAL_MS, reason};
use redis_core::{ErrorClass, Key};
use tracing::debug;

use super::cache::Cache;
use super::chunks;
use super::keyspace::Keyspace;
use super::record::{LoadedObject, Record};
use crate::id::ObjectId;
use crate::object::{Content, Hash, Object};
use crate::request::{ContentLocation, RemoteObject};

/// About what the cache takes for a value besides its bytes.
const ENTRY_OVERHEAD: usize = 200;

/// Reads and stores contents. While Redis is away or refuses work, it retries for ever.
pub(super) struct ContentStore {
    /// Contents by hash. A content never changes.
    contents: Mutex<Cache<Hash, Bytes>>,
    /// The records that ids had when they were last read. They may have changed since, so Redis is asked each time.
    records: Mutex<Cache<ObjectId, Record>>,
    /// Uploads that are being read. Others who need the same content wait for the first reader.
    reading: Mutex<HashMap<Arc<str>, Arc<tokio::sync::Mutex<()>>>>,
}

impl ContentStore {
    pub(super) fn new(cache_bytes: usize) -> Self {
        Self {
            contents: Mutex::new(Cache::new(cache_bytes)),
            records: Mutex::new(Cache::new(cache_bytes / 8)),
            reading: Mutex::default(),
        }
    }

    /// Reads an object with at least the first `length` bytes of its content. `None` if it no longer exists.
    pub(super) async fn fetch(
        &self,
        keyspace: &Keyspace,
        object: &RemoteObject,
        length: u64,
    ) -> Option<Object> {
        let length = usize::try_from(length).ok()?;
        match &object.location {
            ContentLocation::Spilled(_) => None,
            ContentLocation::Legacy(id) => {
                fetch_legacy(keyspace, id, usize::try_from(object.length).ok()?).await
            }
            ContentLocation::Chunks { partition: _, upload, hash, metadata } => {
                let data = match self.cached(hash, length) {
                    Some(data) => data,
                    None if object.length == length as u64 => {
                        self.fetch_whole(keyspace, upload, *hash, length).await?
                    }
                    None => read_chunks(keyspace, upload, length).await?,
                };
                Some(Object { data, metadata: metadata.clone() })
            }
        }
    }

    async fn fetch_whole(
        &self,
        keyspace: &Keyspace,
        upload: &Arc<str>,
        hash: Hash,
        length: usize,
    ) -> Option<Bytes> {
        let turn = Arc::clone(self.reading.lock().entry(Arc::clone(upload)).or_default());
        let guard = turn.lock().await;
        let data = match self.cached(&hash, length) {
            Some(data) => Some(data),
            None => read_chunks(keyspace, upload, length).await,
        };
        if let Some(data) = &data {
            self.cache(hash, data);
        }
        drop(guard);
        drop(turn);
        // Also removes entries whose reader was cancelled.
        self.reading.lock().retain(|_, turn| Arc::strong_count(turn) > 1);
        data
    }

    /// Uploads the chunks of a content. False if Redis is full.
    pub(super) async fn upload(&self, keyspace: &Keyspace, upload: &str, content: &Content) -> bool {
        while let Err(error) = chunks::upload(keyspace, upload, &content.data).await {
            if chunks::is_full(&error) {
                return false;
            }
            wait_before_retry(&error).await;
        }
        self.cache(content.hash, &content.data);
        true
    }

    /// An object as this node last read it. `None` if a small content is not cached; a large one may be read later.
    pub(super) fn cached_object(&self, id: &ObjectId) -> Option<LoadedObject> {
        let record = self.records.lock().get(id)?;
        if !record.is_small() {
            return Some(LoadedObject { record, data: None });
        }
        let data = self.contents.lock().get(&record.hash())?;
        Some(LoadedObject { record, data: Some(data) })
    }

    /// Caches an object that was read.
    pub(super) fn cache_object(&self, id: ObjectId, object: &LoadedObject) {
        let record = object.record.to_owned();
        let size = ENTRY_OVERHEAD + record.bytes().len();
        if let Some(data) = &object.data {
            self.cache(record.hash(), &Bytes::copy_from_slice(data));
        }
        self.records.lock().insert(id, record, size);
    }

    /// Caches a content.
    pub(super) fn cache(&self, hash: Hash, data: &Bytes) {
        let evicted = self.contents.lock().insert(hash, data.clone(), ENTRY_OVERHEAD + data.len());
        drop(evicted);
    }

    pub(super) fn is_cached(&self, hash: &Hash) -> bool {
        self.contents.lock().get(hash).is_some()
    }

    pub(super) fn clear_cache(&self) {
        self.contents.lock().clear();
        self.records.lock().clear();
    }

    fn cached(&self, hash: &Hash, length: usize) -> Option<Bytes> {
        self.contents.lock().get(hash).map(|data| data.slice(..length.min(data.len())))
    }
}

async fn fetch_legacy(keyspace: &Keyspace, id: &ObjectId, total: usize) -> Option<Object> {
    let key = Key::Object(keyspace.prefix(), &id.to_string()).to_string();
    loop {
        match chunks::download_legacy(keyspace, &key, total).await {
            Ok(found) => return found.map(|(metadata, data)| Object { data, metadata }),
            Err(error) if ErrorClass::of(&error).is_invalid() => return None,
            Err(error) => wait_before_retry(&error).await,
        }
    }
}

async fn read_chunks(keyspace: &Keyspace, upload: &str, length: usize) -> Option<Bytes> {
    loop {
        match chunks::download(keyspace, upload, length).await {
            Ok(data) => return data.map(Bytes::from),
            // Another type. Whoever asks again is told.
            Err(error) if ErrorClass::of(&error).is_invalid() => return None,
            Err(error) => wait_before_retry(&error).await,
        }
    }
}

async fn wait_before_retry(error: &Error) {
    debug!("redis did not execute a command, trying again: {}", reason(error));
    tokio::time::sleep(Duration::from_millis(RETRY_INTERVAL_MS)).await;
}
