//! Large contents in Redis: chunks of 1 MiB, a few at a time, so that Redis is never busy with one of them for long.

use bytes::Bytes;
use fred::clients::Pool;
use fred::error::Error;
use fred::interfaces::KeysInterface;
use fred::types::{Expiration, SetOptions};
use futures_util::{StreamExt, TryStreamExt, stream};
use redis_core::key::Key;

/// Bytes of a chunk.
pub(crate) const CHUNK: usize = 1 << 20;
/// Chunks of one content that are under way at a time.
const AT_ONCE: usize = 8;

/// How long a chunk stays that no content has, in seconds: its node died before it told.
const UPLOAD: i64 = 600;

/// Stores one chunk, unless it is there: one that is stored again, since the answer was lost, may belong to a content already.
pub(crate) async fn store(client: &impl KeysInterface, key: String, chunk: Bytes) -> Result<(), Error> {
    client.set(key, chunk, Some(Expiration::EX(UPLOAD)), Some(SetOptions::NX), false).await
}

/// Stores the chunks of `data` under the name `at`.
pub(crate) async fn upload(pool: &Pool, prefix: &str, at: &str, data: &Bytes) -> Result<(), Error> {
    let chunks = (0..data.len().div_ceil(CHUNK)).map(|index| {
        let chunk = data.slice(index * CHUNK..data.len().min((index + 1) * CHUNK));
        let key = Key::ObjectChunk { prefix, at, index }.to_string();
        let pool = pool.clone();
        async move { store(&pool, key, chunk).await }
    });
    stream::iter(chunks).buffer_unordered(AT_ONCE).try_collect().await
}

/// Reads the first `length` bytes of what was stored as `at`; `None` if one of its chunks is gone.
pub(crate) async fn download(
    pool: &Pool,
    prefix: &str,
    at: &str,
    length: usize,
) -> Result<Option<Vec<u8>>, Error> {
    let chunks = (0..length.div_ceil(CHUNK)).map(|index| {
        let key = Key::ObjectChunk { prefix, at, index }.to_string();
        let pool = pool.clone();
        async move { pool.get::<Option<Bytes>, _>(key).await }
    });
    let mut chunks = stream::iter(chunks).buffered(AT_ONCE);
    let mut data = Vec::with_capacity(length);
    while let Some(chunk) = chunks.try_next().await? {
        let Some(chunk) = chunk else { return Ok(None) };
        data.extend_from_slice(&chunk[..chunk.len().min(length - data.len())]);
    }
    Ok((data.len() == length).then_some(data))
}

/// Reads the original's string of `length` bytes: its metadata and data; `None` if it is gone or changes meanwhile.
pub(crate) async fn download_foreign(
    pool: &Pool,
    key: &str,
    length: usize,
) -> Result<Option<(Bytes, Bytes)>, Error> {
    let parts = (0..length.div_ceil(CHUNK)).map(|index| {
        let (start, pool, key) = (index * CHUNK, pool.clone(), key.to_owned());
        async move { pool.getrange::<Bytes, _>(key, start, length.min(start + CHUNK) - 1).await }
    });
    let parts: Vec<Bytes> = stream::iter(parts).buffered(AT_ONCE).try_collect().await?;
    let value = Bytes::from(parts.concat());
    let now: usize = pool.strlen(key).await?;
    let Some(metadata) = value.first_chunk().map(|bytes| u32::from_le_bytes(*bytes) as usize) else {
        return Ok(None);
    };
    if now != length || value.len() != length || 4 + metadata > length {
        return Ok(None);
    }
    Ok(Some((value.slice(4..4 + metadata), value.slice(4 + metadata..))))
}
