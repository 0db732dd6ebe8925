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

/// How long the recorder may be silent before another instance takes over.
const LEASE: Duration = Duration::from_secs(3);
/// The most bytes that one call reads or writes, and about one line more: Redis is busy with it for a few ms at most.
const CALL_BYTES: i64 = 1024 * 1024;

/// The recorded history.
pub(crate) struct HistoryStore {
    pub(super) pool: Pool,
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
    pub(super) fn new(pool: Pool, instance: String) -> Self {
        Self {
            pool,
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
        let mut keys = vec![Key::StatusRecorder.to_string(), Key::StatusRecorded.to_string()];
        let mut args: Vec<Value> = vec![
            self.instance.as_str().into(),
            (LEASE.as_millis() as i64).into(),
            since.to_string().into(),
            until.to_string().into(),
            (retention.lines as i64).into(),
            (retention.age.as_millis() as i64).into(),
            (retention.bytes as i64).into(),
            CALL_BYTES.into(),
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
        let (is_recorder, complete_until, count): (bool, u64, usize) =
            self.record.evalsha_with_reload(self.pool.next(), keys, args).await?;
        Ok(RecordingState { is_recorder, complete_until, count })
    }

    /// Which lines are recorded. What others have written in the place of the state is no state.
    pub(crate) async fn recorded_span(&self) -> Result<RecordedSpan, RedisError> {
        let fields = self.pool.hmget(Key::StatusRecorded.to_string(), vec!["upto", "complete"]).await;
        match fields {
            Ok((until, since)) => Ok(RecordedSpan::new(&until, &since)),
            Err(error) if ErrorClass::of(&error).is_invalid() => {
                Ok(RecordedSpan::new(&Value::Null, &Value::Null))
            }
            Err(error) => Err(error),
        }
    }

    /// Loads the channel's recorded lines after this one: as many as have about so many bytes.
    pub(crate) async fn page(
        &self,
        channel: &str,
        after: LineId,
        bytes: usize,
    ) -> Result<StoredPage, RedisError> {
        let keys = vec![Key::StatusRecorded.to_string(), Key::StatusHistory(channel).to_string()];
        let args = vec![after.to_string(), bytes.to_string()];
        StoredPage::parse(self.load.evalsha_with_reload(self.pool.next(), keys, args).await?)
    }

    /// Finds the channel's last recorded lines; `None` if there are none.
    pub(crate) async fn find_last(
        &self,
        channel: &str,
        count: usize,
    ) -> Result<Option<StoredLines>, RedisError> {
        let mut lines: Option<StoredLines> = None;
        let mut before = "+".to_owned();
        loop {
            let keys = vec![Key::StatusHistory(channel).to_string()];
            let wanted = count - lines.map_or(0, |lines| lines.count);
            let args = vec![before, wanted.to_string(), CALL_BYTES.to_string()];
            let (found, oldest, newest, is_all, next): (usize, String, String, bool, String) =
                self.find_last.evalsha_with_reload(self.pool.next(), keys, args).await?;
            if let (Ok(oldest), Ok(newest)) = (oldest.parse(), newest.parse()) {
                let lines = lines.get_or_insert(StoredLines { count: 0, oldest, newest });
                lines.count += found;
                lines.oldest = oldest;
            }
            if is_all {
                return Ok(lines);
            }
            before = next;
        }
    }
}
