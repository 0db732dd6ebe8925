//! The lines that this instance missed and another one recorded.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fred::clients::Client;
use fred::interfaces::KeysInterface;
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use redis_core::error::reason;
use redis_core::{ErrorClass, RedisError};
use tracing::warn;

use super::history::HistoryStore;
use super::page::PAGE_BYTES;
use crate::line::{Line, LineId};
use crate::run_channels::{is_whole_run, run_name};

/// How long viewers wait, after a lost connection, for the lines that another instance recorded meanwhile.
const CATCH_UP_TIMEOUT: Duration = Duration::from_millis(700);
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// How many channels are read at once.
const CHANNELS_AT_ONCE: usize = 64;
/// The most bytes of missed lines. More are a gap.
const MAX_BYTES: usize = 64 * 1024 * 1024;

impl HistoryStore {
    /// Whether another instance can have recorded all that this one has missed. With several partitions it records a part of them
    /// itself.
    pub(crate) fn can_load_missed(&self) -> bool {
        self.partitions.len() == 1
    }

    /// Loads the lines of these channels, among them all of a run, after `since` and before `epoch`, if another instance records
    /// all of them. Waits for it, but not longer than [`CATCH_UP_TIMEOUT`]. What cannot be read counts as not recorded.
    pub(crate) async fn load_missed(
        &self,
        channels: &[Arc<str>],
        since: LineId,
        epoch: u64,
    ) -> Result<Option<Vec<(Arc<str>, Line)>>, RedisError> {
        match self.load_recorded(channels, since, epoch).await {
            Err(error) if ErrorClass::of(&error).is_invalid() => {
                warn!("read missed lines from the recorded history: {}", reason(&error));
                Ok(None)
            }
            lines => lines,
        }
    }

    async fn load_recorded(
        &self,
        channels: &[Arc<str>],
        since: LineId,
        epoch: u64,
    ) -> Result<Option<Vec<(Arc<str>, Line)>>, RedisError> {
        let deadline = Instant::now() + CATCH_UP_TIMEOUT;
        let lease = &self.lease(self.partitions.first());
        let read_lease =
            |client: Client| async move { client.get::<Option<String>, _>(lease.as_str()).await };
        let of_runs = channels.iter().any(|channel| is_whole_run(channel));
        loop {
            let recorder = self.redis.run(lease, read_lease).await?;
            let span = self.recorded_span("").await?;
            let no_other_records = recorder.is_none_or(|recorder| recorder == self.instance);
            let recorded_since = if of_runs { span.of_run().since } else { span.since };
            if no_other_records || recorded_since > since || Instant::now() > deadline {
                return Ok(None);
            }
            if span.until >= LineId::start_of(epoch) {
                break;
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        let Some(channels) = self.single_channels(channels).await? else { return Ok(None) };
        let (mut all, mut bytes) = (Vec::new(), 0);
        let mut pages = stream::iter(channels)
            .map(|channel| self.lines_after(channel, since).boxed())
            .flatten_unordered(CHANNELS_AT_ONCE);
        while let Some(lines) = pages.try_next().await? {
            bytes += lines.iter().map(|(_, line)| line.text.len()).sum::<usize>();
            if bytes > MAX_BYTES {
                warn!("too many lines were missed to read them all: there is a gap");
                return Ok(None);
            }
            all.extend(lines);
        }
        all.retain(|(_, line)| line.id.epoch < epoch);
        all.sort_by_key(|(_, line)| line.id);
        Ok(Some(all))
    }

    /// The channels, each once and with those of whole runs by their names. `None`: some are not known.
    async fn single_channels(&self, channels: &[Arc<str>]) -> Result<Option<BTreeSet<Arc<str>>>, RedisError> {
        let mut all = BTreeSet::new();
        for channel in channels {
            if !is_whole_run(channel) {
                all.insert(channel.clone());
                continue;
            }
            let Some(listed) = self.run_channels(run_name(channel)).await? else { return Ok(None) };
            all.extend(listed);
        }
        Ok(Some(all))
    }

    /// The lines of a channel after this one, a page at a time.
    fn lines_after(
        &self,
        channel: Arc<str>,
        after: LineId,
    ) -> impl Stream<Item = Result<Vec<(Arc<str>, Line)>, RedisError>> + '_ {
        stream::try_unfold(Some((channel, after)), move |place| async move {
            let Some((channel, after)) = place else { return Ok(None) };
            let page = self.page(&channel, after, PAGE_BYTES).await?;
            let lines = page.lines.into_iter().map(|line| (channel.clone(), line)).collect();
            Ok(Some((lines, (!page.is_end).then_some((channel, page.next)))))
        })
    }
}
