//! The runs that have recorded history, and the channels of each.

use fred::interfaces::SortedSetsInterface;
use fred::types::Value;
use redis_core::catalog::{RunEntry, RunSource};
use redis_core::id::RunId;
use redis_core::{ErrorClass, Key, KeyScan, Layout, Redis, RedisError};

use crate::channel_list::{ListedChannels, MAX_LISTED};
use crate::run_channels::{is_status_channel, run_name, short_name};

/// The runs with recorded channels.
pub(crate) struct RecordedRuns(pub(super) Redis);

impl RunSource for RecordedRuns {
    type About = ListedChannels;

    fn scan(&self) -> KeyScan {
        KeyScan::new(&self.0, Key::StatusChannels("*").name(Layout::One), "zset")
    }

    fn run_of(&self, key: &str) -> Option<RunId> {
        let run = key.strip_prefix(&Key::StatusChannels("").name(Layout::One))?;
        // On a Cluster the run is in braces.
        let run = run.strip_prefix('{').and_then(|run| run.strip_suffix('}')).unwrap_or(run);
        RunId::parse(run).ok()
    }

    async fn read(&self, run: &RunId) -> Result<Option<RunEntry<ListedChannels>>, RedisError> {
        let redis = &self.0;
        let key = Key::StatusChannels(run.as_str()).name(redis.layout());
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
