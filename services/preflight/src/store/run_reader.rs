//! Reads runs in pages, so that no run, however large, stalls Redis or fills the memory.

use fred::error::ErrorKind;
use fred::interfaces::ClientLike;
use fred::types::config::Options;
use fred::types::{ClusterHash, CustomCommand, Value};
use redis_core::error::reason;
use redis_core::id::RunId;
use redis_core::{ErrorClass, Key, Layout, Redis, RedisError};
use tracing::debug;

use crate::run_hash::RunHash;

/// About as many fields are in one page, for which Redis takes less than a millisecond. A usual run is one page.
const PAGE_FIELDS: &str = "1000";
/// The cursor of the first page, and of the last page's end.
const START: &str = "0";

/// Reads runs on the pools of their shards.
pub(super) struct RunReader {
    pub(super) redis: Redis,
    /// The largest run: the bytes of its fields' names and values.
    pub(super) max_bytes: usize,
}

impl RunReader {
    /// The run's current hash; `None` if it is too large. A key of another type counts as a run without fields.
    pub(super) async fn read(&self, run: &RunId) -> Result<Option<RunHash>, RedisError> {
        let key = Key::Run(run).name(self.redis.layout());
        let (mut cursor, mut fields, mut bytes) = (START.to_owned(), Vec::new(), 0);
        loop {
            let page = match self.read_page(&key, cursor).await {
                Err(error) if ErrorClass::of(&error).is_invalid() => {
                    debug!(run.id = %run, "read {run}: {}", reason(&error));
                    return Ok(Some(RunHash::default()));
                }
                page => page?,
            };
            bytes += page.fields.iter().map(|(field, value)| field.len() + value.len()).sum::<usize>();
            if bytes > self.max_bytes {
                return Ok(None);
            }
            fields.extend(page.fields);
            if page.next == START {
                // A field may be in two pages.
                return Ok(Some(fields.into_iter().collect()));
            }
            cursor = page.next;
        }
    }

    async fn read_page(&self, key: &str, cursor: String) -> Result<Page, RedisError> {
        let scan = CustomCommand::new_static("HSCAN", ClusterHash::FirstKey, false);
        // Where one shard of several is away, its runs must not take the places of others' reads.
        let options = Options { fail_fast: self.redis.layout() == Layout::Cluster, ..Options::default() };
        let (scan, cursor, options) = (&scan, cursor.as_str(), &options);
        let read = self.redis.run(key, |client| async move {
            client
                .with_options(options)
                .custom::<Value, _>(scan.clone(), vec![key, cursor, "COUNT", PAGE_FIELDS])
                .await
        });
        let reply = read.await?;
        Page::parse(reply).ok_or_else(|| RedisError::new(ErrorKind::IO, "the reply to HSCAN is not one"))
    }
}

struct Page {
    /// The cursor of the next page.
    next: String,
    fields: Vec<(String, String)>,
}

impl Page {
    fn parse(reply: Value) -> Option<Self> {
        let [next, fields] = <[Value; 2]>::try_from(reply.into_array()).ok()?;
        let mut texts = fields.into_array().into_iter().map(as_text);
        let fields = std::iter::from_fn(|| Some((texts.next()?, texts.next()?))).collect();
        Some(Self { next: as_text(next), fields })
    }
}

fn as_text(value: Value) -> String {
    String::from_utf8_lossy(value.as_bytes().unwrap_or_default()).into_owned()
}
