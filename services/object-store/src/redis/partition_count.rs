//! The number of a store's partitions. It is fixed when the store is first used: by it every id is found.

use std::time::Duration;

use fred::clients::Client;
use fred::error::Error;
use fred::interfaces::KeysInterface;
use fred::types::SetOptions;
use redis_core::error::{RETRY_INTERVAL_MS, reason};
use redis_core::{ErrorClass, Key, Redis, WaitReplicas};
use tracing::debug;

/// Notes the number in Redis if none is, as soon as Redis can be reached.
///
/// # Errors
/// When another one is noted there.
pub(super) async fn settle(
    redis: &Redis,
    wait_replicas: WaitReplicas,
    prefix: &str,
    count: u16,
) -> anyhow::Result<()> {
    let key = Key::ObjectPartitions(prefix).to_string();
    let noted = loop {
        match redis.run(&key, |client| note(client, wait_replicas, key.clone(), count)).await {
            Ok(noted) => break noted,
            Err(error) if ErrorClass::of(&error).is_invalid() => {
                anyhow::bail!("read the number of partitions at {key}: {}", reason(&error))
            }
            Err(error) => debug!("cannot read the number of partitions yet: {}", reason(&error)),
        }
        tokio::time::sleep(Duration::from_millis(RETRY_INTERVAL_MS)).await;
    };
    if noted != count.to_string() {
        anyhow::bail!(
            "the store {prefix} has {noted} partitions, not {count}: set OBJECT_STORE_PARTITIONS={noted}, or another \
             OBJECT_STORE_KEY_PREFIX for another store"
        );
    }
    Ok(())
}

async fn note(client: Client, wait_replicas: WaitReplicas, key: String, count: u16) -> Result<String, Error> {
    let write = async {
        client.set::<(), _, _>(key.as_str(), count, None, Some(SetOptions::NX), false).await?;
        client.get(key.as_str()).await
    };
    wait_replicas.confirm(&client, write).await
}
