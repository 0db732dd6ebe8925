//! How full Redis is.

use fred::interfaces::ClientLike;
use fred::types::InfoKind;
use futures_util::future::join_all;
use redis_core::{Redis, RedisError};

/// Reads how much of its memory Redis uses.
#[derive(Clone)]
pub struct RedisMemory(Redis);

impl RedisMemory {
    pub(super) fn new(redis: Redis) -> Self {
        Self(redis)
    }

    /// The percentage of `maxmemory` that is used, on a Cluster that of the fullest shard that answers. `None` if Redis has no
    /// limit, or evicts keys instead of refusing writes.
    ///
    /// # Errors
    /// If no Redis answers.
    pub async fn used_percent(&self) -> Result<Option<u64>, RedisError> {
        let shards = self.0.shards();
        let ask = shards.iter().map(|shard| shard.client().info::<String>(Some(InfoKind::Memory)));
        let (mut fullest, mut error) = (None, None);
        for info in join_all(ask).await {
            match info {
                Ok(info) => fullest = fullest.max(Some(used_percent(&info))),
                Err(failed) => error = Some(failed),
            }
        }
        match (fullest, error) {
            (None, Some(error)) => Err(error),
            (fullest, _) => Ok(fullest.flatten()),
        }
    }
}

fn used_percent(info: &str) -> Option<u64> {
    let field = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let used: u64 = field("used_memory")?.trim().parse().ok()?;
    let max: u64 = field("maxmemory")?.trim().parse().ok()?;
    let refuses_writes = field("maxmemory_policy")?.trim() == "noeviction";
    (refuses_writes && max > 0).then(|| used.saturating_mul(100) / max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_counts_only_if_writes_are_refused_when_it_is_full() {
        let info = |max, policy| {
            format!("used_memory:90\r\nused_memory_rss:7\r\nmaxmemory:{max}\r\nmaxmemory_policy:{policy}\r\n")
        };
        assert_eq!(used_percent(&info(100, "noeviction")), Some(90));
        assert_eq!(used_percent(&info(0, "noeviction")), None);
        assert_eq!(used_percent(&info(100, "allkeys-lru")), None);
        assert_eq!(used_percent(""), None);
    }
}
