//! How full Redis is.

use fred::clients::Pool;
use fred::interfaces::ClientLike;
use fred::types::InfoKind;
use redis_core::RedisError;

/// Reads how much of its memory Redis uses.
#[derive(Clone)]
pub struct RedisMemory(Pool);

impl RedisMemory {
    pub(super) fn new(pool: Pool) -> Self {
        Self(pool)
    }

    /// The percentage of `maxmemory` that is used. `None` if Redis has no limit, or evicts keys instead of
    /// refusing writes.
    ///
    /// # Errors
    /// If Redis does not answer.
    pub async fn used_percent(&self) -> Result<Option<u64>, RedisError> {
        let info: String = self.0.info(Some(InfoKind::Memory)).await?;
        Ok(used_percent(&info))
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
