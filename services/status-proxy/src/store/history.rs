//! The recorded history in Redis: epochs, and a stream for each channel.

use std::sync::Arc;
use std::time::Duration;

use fred::clients::Pool;
use fred::interfaces::HashesInterface;
use fred::types::Value;
use fred::types::scripts::Script;
use redis_core::{Channel, ErrorClass, Key, RedisError};

use super::page::{RecordedSpan, StoredPage};
use crate::line::{Line, LineId};
use crate::replay_buffer::Retention;
use crate::resume::StoredLines;
use crate::run_channels::{is_whole_run, run_name};

/// How long the recorder may be silent before another instance takes over.
const LEASE: Duration = Duration::from_secs(3);
/// The most bytes that one call reads or writes, and about one line more: Redis is busy with it for a few ms at most.
const CALL_BYTES: i64 = 1024 * 1024;

/// The recorded history.
pub(crate) struct HistoryStore {
    pub(super) pool: Pool,
    /// How long a stream is kept after its last line.
    age: Duration,
    /// The name of this instance in the recorder's lease.
    pub(super) instance: String,
    record: Script,
    load: Script,
    find_last: Script,
    publish_epoch: Script,
}

/// The state of the recording after an attempt to record.
pub(crate) struct RecordingState {
    /// This instance is the recorder.
    pub(crate) is_recorder: bool,
    /// Every line before this epoch is recorded.
    pub(crate) complete_until: u64,
    /// How many of the lines are recorded; the others were too much for one call.
    pub(crate) count: usize,
}

impl HistoryStore {
    pub(super) fn new(pool: Pool, instance: String, age: Duration) -> Self {
        Self {
            pool,
            age,
            instance,
            record: Script::from_lua(include_str!("record.lua")),
            load: Script::from_lua(include_str!("load.lua")),
            find_last: Script::from_lua(include_str!("find_last.lua")),
            publish_epoch: Script::from_lua(include_str!("publish_epoch.lua")),
        }
    }

    /// Publishes the next epoch and returns it.
    pub(crate) async fn publish_epoch(&self) -> Result<u64, RedisError> {
        let keys = vec![Key::StatusEpoch.to_string()];
        let args = vec![Channel::StatusEpochs.to_string()];
        self.publish_epoch.evalsha_with_reload(self.pool.next(), keys, args).await
    }

    /// Records lines, if this instance is the recorder or can become it: at least the first, and as many as one call can.
    ///
    /// This instance passes every line from the epoch `since` on, in this call or an earlier one, and with this call all
    /// those before the epoch `until`.
    pub(crate) async fn record(
        &self,
        since: u64,
        until: u64,
        retention: Retention,
        lines: &[(Arc<str>, Line)],
    ) -> Result<RecordingState, RedisError> {
        let mut channels: Vec<&str> = Vec::new();
        let mut numbered: Vec<Value> = Vec::with_capacity(3 * lines.len());
        for (channel, line) in lines {
            let index = channels.iter().position(|known| **known == **channel).unwrap_or_else(|| {
                channels.push(channel);
                channels.len() - 1
            });
            // Lua counts from 1.
            numbered.extend([
                (index as i64 + 1).into(),
                line.id.to_string().into(),
                line.text.to_string().into(),
            ]);
        }
        let mut keys = vec![Key::StatusRecorder.to_string(), Key::StatusRecorded.to_string()];
        for channel in &channels {
            keys.push(Key::StatusHistory(channel).to_string());
            keys.push(Key::StatusChannels(run_name(channel)).to_string());
        }
        let mut args: Vec<Value> = vec![
            self.instance.as_str().into(),
            (LEASE.as_millis() as i64).into(),
            since.to_string().into(),
            until.to_string().into(),
            (retention.lines as i64).into(),
            (retention.age.as_millis() as i64).into(),
            (retention.bytes as i64).into(),
            CALL_BYTES.into(),
            (channels.len() as i64).into(),
        ];
        args.extend(channels.into_iter().map(Value::from));
        args.extend(numbered);
        let (is_recorder, complete_until, count): (bool, u64, usize) =
            self.record.evalsha_with_reload(self.pool.next(), keys, args).await?;
        Ok(RecordingState { is_recorder, complete_until, count })
    }

    /// Which lines are recorded. What others have written in the place of the state is no state.
    pub(crate) async fn recorded_span(&self) -> Result<RecordedSpan, RedisError> {
        let names = vec!["upto", "complete", "listed", "listed_upto"];
        match self.pool.hmget::<Vec<Value>, _, _>(Key::StatusRecorded.to_string(), names).await {
            Ok(fields) => Ok(RecordedSpan::parse(&fields)),
            Err(error) if ErrorClass::of(&error).is_invalid() => Ok(RecordedSpan::parse(&[])),
            Err(error) => Err(error),
        }
    }

    /// Loads the recorded lines of a channel, or of all channels of a run, after this one: as many as have about so many bytes.
    pub(crate) async fn page(
        &self,
        channel: &str,
        after: LineId,
        bytes: usize,
    ) -> Result<StoredPage, RedisError> {
        if is_whole_run(channel) {
            self.run_page(run_name(channel), after, bytes).await
        } else {
            self.channel_page(channel, after, bytes).await
        }
    }

    pub(super) async fn channel_page(
        &self,
        channel: &str,
        after: LineId,
        bytes: usize,
    ) -> Result<StoredPage, RedisError> {
        let keys = vec![Key::StatusRecorded.to_string(), Key::StatusHistory(channel).to_string()];
        let args = vec![after.to_string(), bytes.to_string(), self.age.as_millis().to_string()];
        StoredPage::parse(self.load.evalsha_with_reload(self.pool.next(), keys, args).await?)
    }

    /// Finds the channel's last recorded lines; `None` if there are none.
    pub(crate) async fn find_last(
        &self,
        channel: &str,
        count: usize,
    ) -> Result<Option<StoredLines>, RedisError> {
        Ok(self.last(channel, count, "").await?.0)
    }

    /// The ids of the channel's last recorded lines.
    pub(super) async fn last_ids(&self, channel: &str, count: usize) -> Result<Vec<LineId>, RedisError> {
        Ok(self.last(channel, count, "ids").await?.1)
    }

    /// `ids`: as `find_last.lua` says.
    async fn last(
        &self,
        channel: &str,
        count: usize,
        ids: &str,
    ) -> Result<(Option<StoredLines>, Vec<LineId>), RedisError> {
        let (mut lines, mut all): (Option<StoredLines>, Vec<LineId>) = (None, Vec::new());
        let mut before = "+".to_owned();
        loop {
            let keys = vec![Key::StatusHistory(channel).to_string()];
            let wanted = count - lines.map_or(0, |lines| lines.count);
            let args = vec![before, wanted.to_string(), CALL_BYTES.to_string(), ids.to_owned()];
            let (found, oldest, newest, is_all, next, more): (
                usize,
                String,
                String,
                bool,
                String,
                Vec<String>,
            ) = self.find_last.evalsha_with_reload(self.pool.next(), keys, args).await?;
            if let (Ok(oldest), Ok(newest)) = (oldest.parse(), newest.parse()) {
                let lines = lines.get_or_insert(StoredLines { count: 0, oldest, newest });
                lines.count += found;
                lines.oldest = oldest;
            }
            all.extend(more.iter().filter_map(|id| id.parse::<LineId>().ok()));
            if is_all {
                return Ok((lines, all));
            }
            before = next;
        }
    }
}
