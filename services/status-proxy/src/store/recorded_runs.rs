//! The runs that have recorded history, and the channels of each.

use fred::interfaces::SortedSetsInterface;
use fred::types::Value;
use redis_core::catalog::{RunEntry, RunSource};
use redis_core::id::RunId;
use redis_core::{ErrorClass, Key, KeyScan, Redis, RedisError};

use crate::channel_list::{ListedChannels, MAX_LISTED};
use crate::partition::Partitions;
use crate::run_channels::{is_status_channel, run_name, short_name};

/// The runs with recorded channels.
pub(crate) struct RecordedRuns {
    pub(super) redis: Redis,
    pub(super) partitions: Partitions,
}

impl RunSource for RecordedRuns {
    type About = ListedChannels;

    fn scan(&self) -> KeyScan {
        // The tags of all partitions.
        let pattern = Key::StatusChannels { tag: "*", run: "*" }.name(self.redis.layout());
        KeyScan::new(&self.redis, pattern, "zset")
    }

    fn run_of(&self, key: &str) -> Option<RunId> {
        // No run has a colon in its name.
        RunId::parse(key.rsplit(':').next()?).ok()
    }

    async fn read(&self, run: &RunId) -> Result<Option<RunEntry<ListedChannels>>, RedisError> {
        let redis = &self.redis;
        let tag = &*self.partitions.of(run.as_str()).tag;
        let key = Key::StatusChannels { tag, run: run.as_str() }.name(redis.layout());
        let key = key.as_str();
        let newest = redis.run(key, |client| async move {
            client.zrange::<Value, _, _, _>(key, 0, MAX_LISTED as i64 - 1, None, true, None, true).await
        });
        let names: Vec<(String, f64)> = match newest.await {
            Err(error) if ErrorClass::of(&error).is_invalid() => return Ok(None),
            newest => newest?.convert()?,
        };
        // Anything else is not of a recorder.
        let channels =
            names.into_iter().filter(|(name, _)| is_status_channel(name) && run_name(name) == run.as_str());
        let listed = ListedChannels::new(channels.map(|(name, last_line_ms)| {
            (short_name(&name).to_owned(), Some((last_line_ms / 1000.0) as i128))
        }));
        Ok((!listed.is_empty()).then(|| RunEntry { changed_at: listed.last_line_at(), about: listed }))
    }
}
