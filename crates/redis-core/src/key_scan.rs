//! A walk over all keys of all shards, a page at a time.

use fred::error::ErrorKind;
use fred::interfaces::ClientLike;
use fred::types::config::Options;
use fred::types::{ClusterHash, CustomCommand, Value};

use crate::{Redis, RedisError, Shard};

/// So many keys are looked at for one page, for which Redis takes less than a millisecond.
const PAGE_KEYS: &str = "1000";
/// The cursor of the first page, and of the last page's end.
const START: &str = "0";

/// How far the walk has come. It takes as many pages as there are thousands of keys, whatever they are.
pub struct KeyScan {
    shards_left: Vec<Shard>,
    cursor: String,
    pattern: String,
    kind: &'static str,
}

impl KeyScan {
    /// A walk over the keys of this pattern (`*` for all) and type, such as `hash`.
    pub fn new(redis: &Redis, pattern: impl Into<String>, kind: &'static str) -> Self {
        let shards_left = redis.shards().to_vec();
        Self { shards_left, cursor: START.to_owned(), pattern: pattern.into(), kind }
    }

    /// The keys on the next page, perhaps none; `None` when all were looked at. A key may come twice. One that exists all the time
    /// comes, unless its slot was moved meanwhile.
    ///
    /// # Errors
    /// When a shard cannot be asked. The walk goes on with the next one.
    pub async fn next_page(&mut self) -> Result<Option<Vec<String>>, RedisError> {
        let Some(shard) = self.shards_left.last() else { return Ok(None) };
        let page = self.read(shard).await;
        self.cursor = page.as_ref().map_or_else(|_| START.to_owned(), |(next, _)| next.clone());
        if self.cursor == START {
            self.shards_left.pop();
        }
        page.map(|(_, keys)| Some(keys))
    }

    async fn read(&self, shard: &Shard) -> Result<(String, Vec<String>), RedisError> {
        let scan = CustomCommand::new_static("SCAN", ClusterHash::FirstKey, false);
        // What is known without a shard that is away is better than nothing.
        let options = Options { fail_fast: true, ..Options::default() };
        let args = vec![&*self.cursor, "MATCH", &self.pattern, "COUNT", PAGE_KEYS, "TYPE", self.kind];
        let reply: Value = shard.client().with_options(&options).custom(scan, args).await?;
        let [next, keys] = <[Value; 2]>::try_from(reply.into_array())
            .map_err(|_| RedisError::new(ErrorKind::IO, "the reply to SCAN is not one"))?;
        // What is not UTF-8 is no key of ours.
        let keys = keys.into_array().into_iter().filter_map(Value::into_string);
        Ok((next.into_string().unwrap_or_default(), keys.collect()))
    }
}
