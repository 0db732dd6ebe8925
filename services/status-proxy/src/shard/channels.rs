//! The channels of a shard and the clients that watch them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use ws_server::Client;

use super::channel::ChannelPolicy;
use super::channel_map::ChannelMap;
use super::command::{JoinRequest, PreparedViewer, ViewerId};
use super::fanout::{FanoutGroups, SlotId};
use crate::frame::FrameFormat;
use crate::line::{Line, LineId};
use crate::metrics::Metrics;
use crate::run_channels::RunChannels;

pub(super) struct Channels {
    policy: ChannelPolicy,
    metrics: Metrics,
    channels: ChannelMap,
    groups: FanoutGroups,
    slots: HashMap<ViewerId, SlotId>,
    /// Where all lines are received: a channel that is not in `channels` had no line after this id.
    watermark: LineId,
    /// The id of the last line.
    latest: LineId,
    /// The bytes of lines in all channels.
    size: usize,
    /// The number of channels that the metric includes.
    counted: usize,
}

impl Channels {
    pub(super) fn new(policy: ChannelPolicy, metrics: Metrics) -> Self {
        Self {
            policy,
            metrics,
            channels: ChannelMap::default(),
            groups: FanoutGroups::default(),
            slots: HashMap::new(),
            watermark: LineId::default(),
            latest: LineId::default(),
            size: 0,
            counted: 0,
        }
    }

    /// Keeps a line and buffers it for the channel's viewers.
    pub(super) fn publish(&mut self, channel: Arc<str>, line: Line) {
        self.latest = self.latest.max(line.id);
        let has_room = self.channels.len() < self.policy.max_channels;
        let whole_run = self.channels.whole_run_mut(&channel);
        let comes_anyway = self.policy.receives_all || whole_run.is_some();
        if let Some(whole) = whole_run {
            whole.note_line();
            for &group in &whole.groups {
                self.groups.push_line(group, &channel, &line);
            }
        }
        let complete_after = self.start_of_new(&channel);
        let state = match self.channels.get_mut(&channel) {
            Some(state) => state,
            None if comes_anyway && has_room => self.channels.get_or_insert(channel.clone(), complete_after),
            None => {
                // Where all lines are received, it must not be claimed to be in the buffer.
                self.channels.forget(&channel, line.id);
                self.watermark = self.watermark.max(line.id);
                return;
            }
        };
        for &group in &state.groups {
            self.groups.push_line(group, &channel, &line);
        }
        let before = state.buffer.size();
        state.push(line, comes_anyway, self.policy.retention);
        self.size = self.size - before + state.buffer.size();
        if self.size > self.policy.max_bytes {
            self.drop_oldest_lines(Instant::now());
        }
    }

    /// The id from which on every line of a channel that is new here is known to be pushed.
    fn start_of_new(&mut self, channel: &str) -> LineId {
        if self.policy.receives_all {
            return self.watermark;
        }
        // Where only subscribed channels are received, nothing is known of its lines before now.
        self.channels.whole_run_mut(channel).map_or(self.latest, |whole| whole.buffer.complete_after())
    }

    /// Drops the oldest lines of all channels, about a quarter of the time that they span, until the rest fits.
    fn drop_oldest_lines(&mut self, now: Instant) {
        const LEAST: Duration = Duration::from_millis(1);
        while self.size > self.policy.max_bytes {
            let Some(oldest) = self.channels.values().filter_map(|state| state.buffer.oldest()).min() else {
                return;
            };
            let cutoff = oldest + (now.saturating_duration_since(oldest) / 4).max(LEAST);
            self.channels.iter_mut().for_each(|(_, state)| state.buffer.expire(cutoff));
            self.size = self.channels.values().map(|state| state.buffer.size()).sum();
        }
    }

    /// Lines of any channel up to `id` may have been missed: marks every channel, and tells its viewers.
    pub(super) fn mark_gap(&mut self, id: LineId) {
        self.watermark = self.watermark.max(id);
        self.latest = self.latest.max(id);
        for (channel, state) in self.channels.iter_mut() {
            state.buffer.mark_gap(id);
            for &group in &state.groups {
                self.groups.push_gap(group, channel);
            }
        }
    }

    /// The missed lines up to `id` have been published to every subscribed channel. The other channels have a gap.
    pub(super) fn catch_up(&mut self, id: LineId) {
        self.watermark = self.watermark.max(id);
        for (_, state) in self.channels.iter_mut().filter(|(_, state)| state.guard.is_none()) {
            state.buffer.mark_gap(id);
        }
    }

    /// Sends a client the history that it asked for, and lets it watch from here on.
    ///
    /// [`flush`](Self::flush) before this: otherwise the client also gets buffered lines, which are in its history.
    pub(super) fn join(&mut self, request: JoinRequest) {
        let JoinRequest { viewer, client, prepared, notice, replaced } = request;
        let PreparedViewer { channels, resume, subscriptions } = prepared;
        let format = FrameFormat {
            transport: client.transport(),
            with_ids: resume.is_some(),
            with_channel: channels.is_list(),
            with_run: notice.is_some(),
        };
        let mut replayed = Vec::new();
        let mut out = BytesMut::from(notice.unwrap_or_default());
        for (channel, subscription) in channels.channels().zip(subscriptions) {
            let complete_after = self.start_of_new(channel);
            let state = self.channels.get_or_insert(channel.into(), complete_after);
            state.guard.get_or_insert(subscription.guard);
            if resume.is_some() {
                let replay = resume.replay(self.channels.buffers(channel), subscription.stored.as_ref());
                self.metrics.count_resume(replay.recovered);
                format.encode_resume(&mut out, channel, replay.recovered);
                replayed.extend(replay.lines);
            }
        }
        replayed.sort_by_key(|(_, line)| line.id);
        for (channel, line) in &replayed {
            format.encode_status(&mut out, channel, line);
        }
        if !out.is_empty() {
            client.send(&out.freeze());
        }
        self.watch(viewer, &channels, format, client);
        self.metrics.viewers.inc();
        replaced.into_iter().for_each(|viewer| self.leave(viewer));
    }

    fn watch(&mut self, viewer: ViewerId, channels: &RunChannels, format: FrameFormat, client: Client) {
        let group = self.groups.find(channels, format).unwrap_or_else(|| {
            let group = self.groups.create(channels.clone(), format);
            for channel in channels.channels() {
                if let Some(state) = self.channels.get_mut(channel) {
                    state.groups.push(group);
                }
            }
            group
        });
        self.slots.insert(viewer, self.groups.add(group, client));
    }

    /// Lets a client watch only these of its channels from here on.
    pub(super) fn narrow(&mut self, viewer: ViewerId, channels: &RunChannels, client: Client) {
        let Some(slot) = self.slots.remove(&viewer) else { return };
        let format = self.groups.format(slot.group);
        // First this, so that no channel is without a viewer in between.
        self.watch(viewer, channels, format, client);
        self.remove(slot);
    }

    pub(super) fn leave(&mut self, viewer: ViewerId) {
        let Some(slot) = self.slots.remove(&viewer) else { return };
        self.metrics.viewers.dec();
        self.remove(slot);
    }

    fn remove(&mut self, slot: SlotId) {
        let Some(channels) = self.groups.remove(slot) else { return };
        for channel in channels.channels() {
            if let Some(state) = self.channels.get_mut(channel)
                && !state.remove_group(slot.group)
                && let Some(removed) = self.channels.remove(channel)
            {
                self.watermark = self.watermark.max(removed.buffer.end());
            }
        }
    }

    /// Drops old lines and idle channels.
    pub(super) fn expire(&mut self, now: Instant) {
        // A channel's next entry starts with the watermark: it must not claim lines that are dropped here.
        let dropped = self.channels.retain(|state| state.expire(now, self.policy));
        self.watermark = self.watermark.max(dropped);
        self.size = self.channels.values().map(|state| state.buffer.size()).sum();
        self.metrics.channels.add(self.channels.len() as i64 - self.counted as i64);
        self.counted = self.channels.len();
    }

    /// Whether buffered lines should be sent before more commands are handled.
    pub(super) fn must_flush(&self) -> bool {
        self.groups.must_flush()
    }

    /// Sends what is buffered.
    pub(super) async fn flush(&mut self) {
        self.groups.flush(&self.metrics).await;
    }
}
