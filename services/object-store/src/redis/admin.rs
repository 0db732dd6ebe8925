//! The store as a whole: counts its objects and memory, and clears it.

use bytes::Bytes;
use fred::error::Error;
use fred::interfaces::{ClientLike, KeysInterface};
use fred::types::InfoKind;
use redis_core::{ErrorClass, Key};

use super::backend::RedisBackend;
use super::fields::number;
use super::options::RedisError;
use crate::id::ObjectId;

/// Keys that Redis looks at for one page of a scan.
const SCAN_COUNT: u32 = 1000;

/// Memory that Redis uses.
pub(crate) struct UsedMemory {
    pub(crate) bytes: u64,
    pub(crate) human: String,
}

impl RedisBackend {
    /// The bytes of all ids as the original counts them. 0 if that is damaged; the next write replaces it.
    pub(crate) async fn size(&self) -> Result<u64, RedisError> {
        let key = Key::ObjectTotalSize(&self.0.prefix).to_string();
        match self.0.pool.get::<Option<Bytes>, _>(key).await {
            Err(error) if !ErrorClass::of(&error).is_invalid() => Err(error.into()),
            size => Ok(number(&Vec::from_iter(size.ok().flatten()))),
        }
    }

    /// See [`Backend::scan`](crate::backend::Backend::scan). The position is Redis's cursor.
    pub(crate) async fn scan(
        &self,
        after: Option<u64>,
        prefix: &str,
        max: usize,
    ) -> Result<(Vec<ObjectId>, Option<u64>), RedisError> {
        let objects = Key::Object(&self.0.prefix, "").to_string();
        let pattern = format!("{}{prefix}*", escape_glob(&objects));
        let count = u32::try_from(max).unwrap_or(u32::MAX).clamp(10, SCAN_COUNT);
        // One connection always: the cursor belongs to its server.
        let client = &self.0.pool.clients()[0];
        let cursor = after.unwrap_or(0).to_string();
        let (next, keys): (String, Vec<Bytes>) = client.scan_page(cursor, pattern, Some(count), None).await?;
        let id = |key: &Bytes| {
            let digits = std::str::from_utf8(key.strip_prefix(objects.as_bytes())?).ok()?;
            ObjectId::from_hex(digits).ok().filter(|id| id.to_string() == digits)
        };
        Ok((keys.iter().filter_map(id).collect(), next.parse().ok().filter(|next| *next > 0)))
    }

    /// Counts the ids one by one, including those of the original.
    pub(crate) async fn count(&self) -> Result<u64, RedisError> {
        let mut count = 0;
        let meta = Key::ObjectMeta(&self.0.prefix).to_string();
        self.for_each_page(async |keys: Vec<Bytes>| {
            count += keys.iter().filter(|key| !key.starts_with(meta.as_bytes())).count() as u64;
            Ok(())
        })
        .await?;
        Ok(count)
    }

    /// Removes every key with the prefix, as the original does.
    pub(crate) async fn clear(&self) -> Result<(), RedisError> {
        self.for_each_page(async |keys: Vec<Bytes>| match keys.is_empty() {
            true => Ok(()),
            false => self.0.pool.unlink::<(), _>(keys).await,
        })
        .await?;
        self.0.contents.clear_cache();
        let key = Key::ObjectTotalSize(&self.0.prefix).to_string();
        Ok(self.0.pool.set(key, 0, None, None, false).await?)
    }

    async fn for_each_page(
        &self,
        mut on_page: impl AsyncFnMut(Vec<Bytes>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let pattern = format!("{}*", escape_glob(&self.0.prefix));
        // One connection for the whole scan: the cursor belongs to its server.
        let client = self.0.pool.next();
        let mut cursor = "0".to_owned();
        loop {
            let (next, keys): (String, Vec<Bytes>) =
                client.scan_page(cursor, pattern.clone(), Some(SCAN_COUNT), None).await?;
            on_page(keys).await?;
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
}

/// Escapes the characters that have a meaning in a pattern of Redis.
fn escape_glob(text: &str) -> String {
    text.chars().flat_map(|c| "*?[]\\^-".contains(c).then_some('\\').into_iter().chain([c])).collect()
}
