//! The store as a whole, over all partitions and shards: counts its objects and memory, and clears it.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use fred::clients::Client;
use fred::error::Error;
use fred::interfaces::{ClientLike, KeysInterface};
use fred::types::InfoKind;
use futures_util::future::try_join_all;
use redis_core::key::hash_slot;
use redis_core::{ErrorClass, Key, Layout, Shard};

use super::backend::RedisBackend;
use super::fields::number;
use super::keyspace::Keyspace;
use super::options::RedisError;
use crate::id::ObjectId;

/// Keys that Redis looks at for one page of a scan.
const SCAN_COUNT: u32 = 1000;
/// More shards than a Cluster has: the lowest bits of a position say which shard a scan has come to.
const SHARDS_MAX: u64 = 1024;

/// Memory that Redis uses: the sum of the shards.
pub(crate) struct UsedMemory {
    pub(crate) bytes: u64,
    pub(crate) human: String,
}

impl RedisBackend {
    /// The bytes of all ids as the original counts them. 0 if that is damaged; the next write replaces it.
    pub(crate) async fn size(&self) -> Result<u64, RedisError> {
        let sizes = self.partitions().iter().map(|partition| size(partition.keyspace()));
        Ok(try_join_all(sizes).await?.into_iter().sum())
    }

    /// See [`Backend::scan`](crate::backend::Backend::scan). The position is Redis's cursor; on a Cluster also the shard's number.
    pub(crate) async fn scan(
        &self,
        after: Option<u64>,
        prefix: &str,
        max: usize,
    ) -> Result<(Vec<ObjectId>, Option<u64>), RedisError> {
        let shards = self.known_shards()?;
        let (any_partition, most) = match self.redis().layout() {
            Layout::One => ("", 1),
            Layout::Cluster => ("{*}:", SHARDS_MAX),
        };
        let (position, at) = (after.unwrap_or(0) / most, after.unwrap_or(0) % most);
        let Some(shard) = shards.get(at as usize) else { return Ok((Vec::new(), None)) };
        // A cursor belongs to its server. That of another, before a failover, means that this one is scanned from the beginning.
        let server = u64::from(hash_slot(shard.to_string())) % most;
        let cursor = if position % most == server { position / most } else { 0 };
        let pattern = format!("{}{any_partition}{prefix}*", escape_glob(self.prefix()));
        let count = u32::try_from(max).unwrap_or(u32::MAX).clamp(10, SCAN_COUNT);
        // One connection always: the cursor belongs to its server.
        let client = &shard.pool().clients()[0];
        let (next, keys): (String, Vec<Bytes>) =
            client.scan_page(cursor.to_string(), pattern, Some(count), None).await?;
        let next = match next.parse().unwrap_or(0_u64) {
            0 => Some(at + 1).filter(|next| *next < shards.len() as u64),
            // It has less than 44 bits.
            cursor => Some((cursor * most + server) * most + at),
        };
        Ok((keys.iter().filter_map(|key| self.id_of(key)).collect(), next))
    }

    /// The id of the object with this key; `None` if it is no object's.
    fn id_of(&self, key: &[u8]) -> Option<ObjectId> {
        let digits = std::str::from_utf8(self.within_partition(key)?).ok()?;
        let id = ObjectId::from_hex(digits).ok().filter(|id| id.to_string() == digits)?;
        (key == Key::Object(self.partition(&id).keyspace().prefix(), digits).to_string().as_bytes())
            .then_some(id)
    }

    /// What follows the prefix of a partition in a key; `None` for keys that are in none.
    fn within_partition<'a>(&self, key: &'a [u8]) -> Option<&'a [u8]> {
        let rest = key.strip_prefix(self.prefix().as_bytes())?;
        match self.redis().layout() {
            Layout::One => Some(rest),
            Layout::Cluster => {
                let tag_len = rest.strip_prefix(b"{")?.iter().position(|byte| *byte == b'}')?;
                rest[tag_len + 2..].strip_prefix(b":")
            }
        }
    }

    /// Counts the ids one by one, including those of the original.
    pub(crate) async fn count(&self) -> Result<u64, RedisError> {
        let mut count = 0;
        let meta = Key::ObjectMeta("").to_string();
        self.for_each_page(async |keys: Vec<Bytes>| {
            let rests = keys.iter().filter_map(|key| self.within_partition(key));
            count += rests.filter(|rest| !rest.starts_with(meta.as_bytes())).count() as u64;
            Ok(())
        })
        .await?;
        Ok(count)
    }

    /// Removes every key with the prefix, as the original does; but not the number of partitions, which the nodes go by.
    pub(crate) async fn clear(&self) -> Result<(), RedisError> {
        let kept = Key::ObjectPartitions(self.prefix()).to_string();
        self.for_each_page(async |keys: Vec<Bytes>| {
            let mut by_slot = BTreeMap::<u16, Vec<Bytes>>::new();
            for key in keys.into_iter().filter(|key| *key != kept.as_bytes()) {
                let slot = if self.redis().layout() == Layout::One { 0 } else { hash_slot(&key) };
                by_slot.entry(slot).or_default().push(key);
            }
            let unlink = |(slot, keys): (u16, Vec<Bytes>)| async move {
                let unlink = |client: Client| {
                    let keys = keys.clone();
                    async move { client.unlink::<(), _>(keys).await }
                };
                self.redis().run_on_slot(slot, unlink).await
            };
            try_join_all(by_slot.into_iter().map(unlink)).await.map(drop)
        })
        .await?;
        self.clear_cache();
        try_join_all(self.partitions().iter().map(|partition| reset_size(partition.keyspace()))).await?;
        Ok(())
    }

    /// The shards, if they are known yet.
    fn known_shards(&self) -> Result<Arc<[Shard]>, RedisError> {
        let shards = self.redis().shards();
        if shards.is_empty() { Err(RedisError::NoAnswer) } else { Ok(shards) }
    }

    async fn for_each_page(
        &self,
        mut on_page: impl AsyncFnMut(Vec<Bytes>) -> Result<(), Error>,
    ) -> Result<(), RedisError> {
        let pattern = format!("{}*", escape_glob(self.prefix()));
        for shard in self.known_shards()?.iter() {
            // One connection for the whole scan: the cursor belongs to its server.
            let client = shard.client();
            let mut cursor = "0".to_owned();
            loop {
                let (next, keys): (String, Vec<Bytes>) =
                    client.scan_page(cursor, pattern.clone(), Some(SCAN_COUNT), None).await?;
                on_page(keys).await?;
                if next == "0" {
                    break;
                }
                cursor = next;
            }
        }
        Ok(())
    }

    pub(crate) async fn used_memory(&self) -> Result<UsedMemory, RedisError> {
        let shards = self.known_shards()?;
        let parts = try_join_all(shards.iter().map(used_memory)).await?;
        let bytes = parts.iter().map(|part| part.bytes).sum();
        let human = match parts.as_slice() {
            [only] => only.human.clone(),
            _ => format!("{:.2}M", bytes as f64 / f64::from(1 << 20)),
        };
        Ok(UsedMemory { bytes, human })
    }
}

async fn size(keyspace: &Keyspace) -> Result<u64, Error> {
    let key = &Key::ObjectTotalSize(keyspace.prefix()).to_string();
    let read = |client: Client| async move { client.get::<Option<Bytes>, _>(key.as_str()).await };
    match keyspace.run(read).await {
        Err(error) if !ErrorClass::of(&error).is_invalid() => Err(error),
        size => Ok(number(&Vec::from_iter(size.ok().flatten()))),
    }
}

async fn reset_size(keyspace: &Keyspace) -> Result<(), Error> {
    let key = &Key::ObjectTotalSize(keyspace.prefix()).to_string();
    let set = |client: Client| async move { client.set(key.as_str(), 0, None, None, false).await };
    keyspace.run(set).await
}

async fn used_memory(shard: &Shard) -> Result<UsedMemory, Error> {
    let info: String = shard.client().info(Some(InfoKind::Memory)).await?;
    let field = |name: &str| {
        let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap_or_default().trim().to_owned()
    };
    Ok(UsedMemory { bytes: field("used_memory").parse().unwrap_or(0), human: field("used_memory_human") })
}

/// Escapes the characters that have a meaning in a pattern of Redis.
fn escape_glob(text: &str) -> String {
    text.chars().flat_map(|c| "*?[]\\^-".contains(c).then_some('\\').into_iter().chain([c])).collect()
}
