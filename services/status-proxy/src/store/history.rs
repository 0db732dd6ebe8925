//! The recorded history in Redis: epochs, and a stream for each channel.

use std::sync::Arc;
use std::time::{Duration, Instant};

use fred::clients::Pool;
use fred::interfaces::KeysInterface;
use fred::types::Value;
use fred::types::scripts::Script;
use redis_core::error::reason;
use redis_core::{Channel, ErrorClass, Key, RedisError};
use tracing::warn;

use super::loaded::LoadedHistory;
use crate::line::{Line, LineId};
use crate::replay_buffer::Retention;
use crate::resume::{ResumeRequest, StoredHistory};

/// How long the recorder may be silent before another instance takes over.
const LEASE: Duration = Duration::from_secs(3);
/// How long viewers wait, after a lost connection, for the lines that another instance recorded meanwhile.
const CATCH_UP_TIMEOUT: Duration = Duration::from_millis(700);
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// The most channels in one call.
const BATCH_SIZE: usize = 512;

/// The recorded history.
pub(crate) struct HistoryStore {
    pool: Pool,
    /// The name of this instance in the recorder's lease.
    instance: String,
    record: Script,
    load: Script,
    publish_epoch: Script,
}

/// The state of the recording after an attempt to record.
pub(crate) struct RecordingState {
    /// This instance is the recorder.
    pub(crate) is_recorder: bool,
    /// Every line before this epoch is recorded.
    pub(crate) complete_until: u64,
}

impl HistoryStore {
    pub(super) fn new(pool: Pool, instance: String) -> Self {
        Self {
            pool,
            instance,
            record: Script::from_lua(include_str!("record.lua")),
            load: Script::from_lua(include_str!("load.lua")),
            publish_epoch: Script::from_lua(include_str!("publish_epoch.lua")),
        }
    }

    /// Publishes the next epoch and returns it.
    pub(crate) async fn publish_epoch(&self) -> Result<u64, RedisError> {
        let keys = vec![Key::StatusEpoch.to_string()];
        let args = vec![Channel::StatusEpochs.to_string()];
        self.publish_epoch.evalsha_with_reload(self.pool.next(), keys, args).await
    }

    /// Records lines, if this instance is the recorder or can become it.
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
        let mut keys = vec![Key::StatusRecorder.to_string(), Key::StatusRecorded.to_string()];
        let mut args: Vec<Value> = vec![
            self.instance.as_str().into(),
            (LEASE.as_millis() as i64).into(),
            since.to_string().into(),
            until.to_string().into(),
            (retention.lines as i64).into(),
            (retention.age.as_millis() as i64).into(),
            (retention.bytes as i64).into(),
        ];
        for (channel, line) in lines {
            let key = Key::StatusHistory(channel).to_string();
            let index = keys.iter().position(|known| *known == key).unwrap_or_else(|| {
                keys.push(key);
                keys.len() - 1
            });
            args.extend([
                // Lua counts from 1.
                (index as i64 + 1).into(),
                line.id.to_string().into(),
                line.text.to_string().into(),
            ]);
        }
        let (is_recorder, complete_until): (bool, u64) =
            self.record.evalsha_with_reload(self.pool.next(), keys, args).await?;
        Ok(RecordingState { is_recorder, complete_until })
    }

    /// Loads what a client asks for of these channels' history.
    pub(crate) async fn load(
        &self,
        channels: &[&str],
        request: ResumeRequest,
    ) -> Result<Vec<StoredHistory>, RedisError> {
        let since = request.since_id();
        let count = since.map_or(request.last.unwrap_or(0), |_| 0);
        Ok(self.load_lines(channels, since, count).await?.for_client(channels, since))
    }

    /// Loads the lines of these channels after `since` and before `epoch`, if another instance records all of them. Waits
    /// for it, but not longer than [`CATCH_UP_TIMEOUT`]. What cannot be read counts as not recorded.
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
        loop {
            let recorder: Option<String> = self.pool.get(Key::StatusRecorder.to_string()).await?;
            let state = self.load_lines(&[], Some(since), 0).await?;
            let no_other_records = recorder.is_none_or(|recorder| recorder == self.instance);
            if no_other_records || state.complete_since > since || Instant::now() > deadline {
                return Ok(None);
            }
            if state.complete_until >= epoch {
                break;
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        let mut lines = Vec::new();
        for batch in channels.chunks(BATCH_SIZE) {
            let names: Vec<&str> = batch.iter().map(AsRef::as_ref).collect();
            let streams = self.load_lines(&names, Some(since), 0).await?.streams;
            for (channel, stream) in batch.iter().zip(streams) {
                lines.extend(stream.lines.into_iter().map(|line| (channel.clone(), line)));
            }
        }
        lines.retain(|(_, line)| line.id.epoch < epoch);
        lines.sort_by_key(|(_, line)| line.id);
        Ok(Some(lines))
    }

    async fn load_lines(
        &self,
        channels: &[&str],
        since: Option<LineId>,
        count: usize,
    ) -> Result<LoadedHistory, RedisError> {
        let mut keys = vec![Key::StatusRecorded.to_string()];
        keys.extend(channels.iter().map(|channel| Key::StatusHistory(channel).to_string()));
        let args = vec![since.map(|id| id.to_string()).unwrap_or_default(), count.to_string()];
        let reply: Vec<Value> = self.load.evalsha_with_reload(self.pool.next(), keys, args).await?;
        LoadedHistory::parse(reply)
    }
}
