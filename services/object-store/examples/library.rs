//! The store as a library: in memory, or in the given Redis, where others can share it.
//!
//! `cargo run -p object-store --example library [redis://HOST:PORT/DB]`

use clap::Parser;
use object_store::{ObjectId, ObjectStore, RedisOptions};
use redis_core::RedisConfig;

#[derive(Parser)]
struct Arguments {
    /// The URL of Redis; without it objects are stored in memory
    url: Option<String>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let store = match Arguments::parse().url {
        Some(url) => ObjectStore::redis(RedisOptions {
            redis: redis(&url)?,
            key_prefix: "example:obj:".to_owned(),
            cache_bytes: 64 << 20,
        })?,
        None => ObjectStore::memory(1 << 30),
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

/// Parses a URL in the same way as the settings of a service.
fn redis(url: &str) -> anyhow::Result<RedisConfig> {
    #[derive(Parser)]
    struct Settings {
        #[command(flatten)]
        redis: RedisConfig,
    }
    Ok(Settings::try_parse_from(["library", "--redis-url", url])?.redis)
}
