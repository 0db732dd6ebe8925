//! The recorded history in Redis: epochs, and a stream for each channel.

use std::sync::Arc;
use std::time::Duration;

use fred::clients::Client;
use fred::interfaces::HashesInterface;
use fred::types::scripts::Script;
use fred::types::{FromValue, MultipleKeys, Value};
use parking_lot::Mutex;
use redis_core::key::hash_slot;
use redis_core::{Channel, ErrorClass, Key, Layout, Redis, RedisError};

use super::page::{RecordedSpan, StoredPage};
use crate::line::{Line, LineId};
use crate::partition::{Partition, Partitions};
use crate::replay_buffer::Retention;
use crate::resume::StoredLines;
use crate::run_channels::{is_whole_run, run_name};

/// How long the recorder may be silent before another instance takes over.
const LEASE: Duration = Duration::from_secs(3);
/// The most bytes that one call reads or writes, and about one line more: Redis is busy with it for a few ms at most.
const CALL_BYTES: i64 = 1024 * 1024;

/// The recorded history.
pub(crate) struct HistoryStore {
    pub(super) redis: Redis,
    pub(super) partitions: Partitions,
    /// On a Cluster the node in whose order this instance numbers lines now. What is recorded in the order of another is of no use.
    node: Mutex<Arc<str>>,
    /// How long a stream is kept after its last line.
    age: Duration,
    /// The name of this instance in the recorder's lease.
    pub(super) instance: String,
    record: Script,
    load: Script,
    find_last: Script,
    publish_epoch: Script,
    release: Script,
}

/// Who records a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RecordedBy {
    Other,
    This,
    /// The lease is free, and this instance was told not to take it.
    Nobody,
    /// This instance. But Redis does not have all that it has acknowledged to it: the shard has failed over.
    ThisWithLoss,
}

/// The state of the recording of a partition after an attempt to record.
pub(crate) struct RecordingState {
    pub(crate) by: RecordedBy,
    /// Every line before this epoch is recorded.
    pub(crate) complete_until: u64,
    /// How many of the lines are recorded; the others were too much for one call.
    pub(crate) count: usize,
    /// How many calls of recorders Redis has counted, on a Cluster.
    pub(crate) calls: u64,
}

/// Whether this instance may become the recorder if there is none.
#[derive(Clone, Copy)]
pub(crate) enum Take {
    Never,
    /// If it has all lines that are not recorded.
    WithoutGap,
    Always,
}

/// An attempt to record lines of a partition. This instance passes every line from the epoch `since` on, in this call or an
/// earlier one, and with this call all those before the epoch `until`.
pub(crate) struct Recording<'a> {
    pub(crate) partition: &'a Partition,
    /// On a Cluster the node in whose order the lines are numbered.
    pub(crate) node: &'a str,
    pub(crate) take: Take,
    pub(crate) since: u64,
    pub(crate) until: u64,
    pub(crate) retention: Retention,
    /// As many calls Redis has told of to this instance as the recorder.
    pub(crate) calls: u64,
    pub(crate) lines: &'a [(Arc<str>, Line)],
}

impl HistoryStore {
    pub(super) fn new(redis: Redis, partitions: Partitions, instance: String, age: Duration) -> Self {
        Self {
            redis,
            partitions,
            node: Mutex::default(),
            age,
            instance,
            record: Script::from_lua(include_str!("record.lua")),
            load: Script::from_lua(include_str!("load.lua")),
            find_last: Script::from_lua(include_str!("find_last.lua")),
            publish_epoch: Script::from_lua(include_str!("publish_epoch.lua")),
            release: Script::from_lua(include_str!("release.lua")),
        }
    }

    /// From now on this instance numbers lines in the order of this node.
    pub(crate) fn set_node(&self, node: &Arc<str>) {
        *self.node.lock() = node.clone();
    }

    /// Calls a script, all of whose keys are of the same partition.
    async fn call<T: FromValue>(
        &self,
        script: &Script,
        keys: Vec<String>,
        args: Vec<Value>,
    ) -> Result<T, RedisError> {
        let slot = hash_slot(keys.first().map_or("", String::as_str));
        // Copies of these share their texts.
        let (keys, args) = (&MultipleKeys::from(keys), &args);
        let call = |client: Client| async move {
            script.evalsha_with_reload(&client, keys.clone(), args.clone()).await
        };
        self.redis.run_on_slot(slot, call).await
    }

    fn stream(&self, channel: &str) -> String {
        Key::StatusHistory { tag: &self.partitions.of(channel).tag, channel }.name(self.redis.layout())
    }

    /// The list of a run's channels.
    pub(super) fn list(&self, run: &str) -> String {
        Key::StatusChannels { tag: &self.partitions.of(run).tag, run }.name(self.redis.layout())
    }

    pub(super) fn lease(&self, partition: &Partition) -> String {
        Key::StatusRecorder { tag: &partition.tag }.name(self.redis.layout())
    }

    fn recorded(&self, partition: &Partition, node: &str) -> String {
        Key::StatusRecorded { tag: &partition.tag, node }.name(self.redis.layout())
    }

    /// Publishes the next epoch to those who number lines in the order of this node, and returns it.
    pub(crate) async fn publish_epoch(&self, node: &str) -> Result<u64, RedisError> {
        let key = Key::StatusEpoch { tag: &self.partitions.first().tag }.name(self.redis.layout());
        let channel = epochs_channel(self.redis.layout(), node);
        self.call(&self.publish_epoch, vec![key], vec![channel.into()]).await
    }

    /// Ends the lease of the recorder, if it is this instance's.
    pub(crate) async fn release(&self, partition: &Partition) -> Result<(), RedisError> {
        let args = vec![self.instance.as_str().into()];
        self.call(&self.release, vec![self.lease(partition)], args).await
    }

    /// Records lines of a partition, if this instance is the recorder or can become it: at least the first, and as many as one call
    /// can.
    pub(crate) async fn record(&self, recording: Recording<'_>) -> Result<RecordingState, RedisError> {
        let Recording { partition, node, take, since, until, retention, calls, lines } = recording;
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
        let mut keys = vec![self.lease(partition), self.recorded(partition, node)];
        for channel in &channels {
            keys.push(self.stream(channel));
            keys.push(self.list(run_name(channel)));
        }
        // On one Redis a loss comes with a lost connection, after which everything begins anew.
        let calls = if self.partitions.len() > 1 { calls.to_string() } else { String::new() };
        let mut args: Vec<Value> = vec![
            self.instance.as_str().into(),
            (LEASE.as_millis() as i64).into(),
            since.to_string().into(),
            until.to_string().into(),
            (retention.lines as i64).into(),
            (retention.age.as_millis() as i64).into(),
            (retention.bytes as i64).into(),
            CALL_BYTES.into(),
            (take as i64).into(),
            calls.into(),
            (channels.len() as i64).into(),
        ];
        args.extend(channels.into_iter().map(Value::from));
        args.extend(numbered);
        let (by, complete_until, count, calls): (u8, u64, usize, u64) =
            self.call(&self.record, keys, args).await?;
        let by = match by {
            0 => RecordedBy::Other,
            1 => RecordedBy::This,
            2 => RecordedBy::Nobody,
            _ => RecordedBy::ThisWithLoss,
        };
        Ok(RecordingState { by, complete_until, count, calls })
    }

    /// Which lines of the run of this channel are recorded. What others have written in the place of the state is no state.
    pub(crate) async fn recorded_span(&self, channel: &str) -> Result<RecordedSpan, RedisError> {
        let key = &self.recorded(self.partitions.of(channel), &self.node.lock().clone());
        let read = |client: Client| async move {
            let names = vec!["upto", "complete", "listed", "listed_upto"];
            client.hmget::<Vec<Value>, _, _>(key.as_str(), names).await
        };
        match self.redis.run(key, read).await {
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
        let node = self.node.lock().clone();
        let keys = vec![self.recorded(self.partitions.of(channel), &node), self.stream(channel)];
        let args = [after.to_string(), bytes.to_string(), self.age.as_millis().to_string()];
        let args = args.into_iter().map(Value::from).collect();
        StoredPage::parse(self.call(&self.load, keys, args).await?)
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
            let wanted = count - lines.map_or(0, |lines| lines.count);
            let args = [before, wanted.to_string(), CALL_BYTES.to_string(), ids.to_owned()];
            let args = args.into_iter().map(Value::from).collect();
            let (found, oldest, newest, is_all, next, more): (
                usize,
                String,
                String,
                bool,
                String,
                Vec<String>,
            ) = self.call(&self.find_last, vec![self.stream(channel)], args).await?;
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

/// The channel on which epochs are published for those who number lines in the order of this node.
pub(super) fn epochs_channel(layout: Layout, node: &str) -> String {
    match layout {
        Layout::One => Channel::StatusEpochs.to_string(),
        Layout::Cluster => Channel::StatusEpochsAt(node).to_string(),
    }
}
