//! The store as a library: in memory, or in Redis, where others can share it.
//!
//! `REDIS_URL=redis://HOST:PORT/DB cargo run -p object-store --example library`

use object_store::{ObjectId, ObjectStore, RedisOptions};
use redis_core::RedisConfig;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let redis = RedisConfig::from_env()?;
    let store = if redis.is_set() {
        let key_prefix = "example:obj:".to_owned();
        ObjectStore::redis(RedisOptions { redis, key_prefix, partitions: 64, cache_bytes: 64 << 20 })?
    } else {
        ObjectStore::memory(1 << 30)
    };
    let (report, duplicate) = (ObjectId::from_hex("c0ffee")?, ObjectId::from_hex("c0ffee01")?);

    store.put(&report, vec![7; 3 << 20], "a report").await?;
    store.put(&duplicate, vec![7; 3 << 20], "the same again").await?;
    let object = store.get(&report).await?.unwrap_or_else(|| unreachable!("it was just stored"));
    println!("{} bytes with the metadata {:?}", object.data.len(), String::from_utf8_lossy(&object.metadata));

    let info = store.info().await?;
    println!(
        "{} objects, {} of them distinct, {} bytes",
        info.object_count, info.unique_object_count, info.unique_size_bytes
    );
    println!("deleted: {}, again: {}", store.delete(&report).await?, store.delete(&report).await?);
    println!("the second object still exists: {}", store.exists(&duplicate).await?);
    store.clear().await?;
    println!("cleared: {} bytes are left", store.size().await?);
    Ok(())
}
