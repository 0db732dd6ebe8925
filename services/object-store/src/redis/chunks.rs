//! Large contents in Redis: chunks of 1 MiB, a few at a time, so that none keeps Redis busy for long.

use bytes::Bytes;
use fred::clients::Client;
use fred::error::Error;
use fred::interfaces::KeysInterface;
use fred::types::{Expiration, SetOptions};
use futures_util::{StreamExt, TryStreamExt, stream};
use redis_core::{ErrorClass, Key};

use super::keyspace::Keyspace;

/// Length of a chunk, in bytes.
pub(crate) const CHUNK_LEN: usize = 1 << 20;
/// Chunks of one content that are in flight at a time.
const IN_FLIGHT_MAX: usize = 8;

/// Expiry of a chunk that no content has, in seconds. Its node died before the upload was finished.
const UPLOAD_TTL: i64 = 600;

/// Stores one chunk, unless it exists. If the first reply was lost, it may already belong to a content.
pub(crate) async fn store_chunk(client: &impl KeysInterface, key: String, chunk: Bytes) -> Result<(), Error> {
    client.set(key, chunk, Some(Expiration::EX(UPLOAD_TTL)), Some(SetOptions::NX), false).await
}

/// Stores `data` as the chunks of an upload.
pub(super) async fn upload(keyspace: &Keyspace, upload: &str, data: &Bytes) -> Result<(), Error> {
    let chunks = (0..data.len().div_ceil(CHUNK_LEN)).map(|index| {
        let chunk = data.slice(index * CHUNK_LEN..data.len().min((index + 1) * CHUNK_LEN));
        let key = Key::ObjectChunk { prefix: keyspace.prefix(), upload, index }.to_string();
        async move {
            let store = |client| {
                let (key, chunk) = (key.clone(), chunk.clone());
                async move { store_chunk(&client, key, chunk).await }
            };
            keyspace.run(store).await
        }
    });
    stream::iter(chunks).buffer_unordered(IN_FLIGHT_MAX).try_collect().await
}

/// Reads the first `length` bytes of an upload. `None` if one of its chunks no longer exists.
pub(super) async fn download(
    keyspace: &Keyspace,
    upload: &str,
    length: usize,
) -> Result<Option<Vec<u8>>, Error> {
    let chunks = (0..length.div_ceil(CHUNK_LEN)).map(|index| {
        let key = Key::ObjectChunk { prefix: keyspace.prefix(), upload, index }.to_string();
        async move {
            let read = |client: Client| {
                let key = key.clone();
                async move { client.get::<Option<Bytes>, _>(key).await }
            };
            keyspace.run(read).await
        }
    });
    let mut chunks = stream::iter(chunks).buffered(IN_FLIGHT_MAX);
    let mut data = Vec::new();
    while let Some(chunk) = chunks.try_next().await? {
        let Some(chunk) = chunk else { return Ok(None) };
        if data.is_empty() {
            // Only now: the length may be damaged, and then there is no chunk.
            data.reserve_exact(length);
        }
        data.extend_from_slice(&chunk[..chunk.len().min(length - data.len())]);
    }
    Ok((data.len() == length).then_some(data))
}

/// Reads a string of `length` bytes of the original server: its metadata and its data. `None` if it no longer exists or
/// changes meanwhile.
pub(super) async fn download_legacy(
    keyspace: &Keyspace,
    key: &str,
    length: usize,
) -> Result<Option<(Bytes, Bytes)>, Error> {
    let parts = (0..length.div_ceil(CHUNK_LEN)).map(|index| {
        let start = index * CHUNK_LEN;
        let end = length.min(start + CHUNK_LEN) - 1;
        let read = move |client: Client| async move { client.getrange::<Bytes, _>(key, start, end).await };
        async move { keyspace.run(read).await }
    });
    let parts: Vec<Bytes> = stream::iter(parts).buffered(IN_FLIGHT_MAX).try_collect().await?;
    let value = Bytes::from(parts.concat());
    let length_now: usize = keyspace.run(|client| async move { client.strlen(key).await }).await?;
    let Some(metadata) = value.first_chunk().map(|bytes| u32::from_le_bytes(*bytes) as usize) else {
        return Ok(None);
    };
    if length_now != length || value.len() != length || 4 + metadata > length {
        return Ok(None);
    }
    Ok(Some((value.slice(4..4 + metadata), value.slice(4 + metadata..))))
}

/// Redis has reached its `maxmemory`.
pub(crate) fn is_full(error: &Error) -> bool {
    ErrorClass::of(error) == ErrorClass::CannotWrite && error.details().contains("OOM")
}
