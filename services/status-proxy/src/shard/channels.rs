//! The channels of a shard and the clients that watch them.

mod joining;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use ws_server::Client;

use super::backfill::Backfill;
use super::channel::{ChannelPolicy, ChannelState};
use super::channel_map::ChannelMap;
use super::command::ViewerId;
use super::fanout::{FanoutGroups, SlotId};
use super::waits::Waits;
use crate::frame::FrameFormat;
use crate::line::{Line, LineId};
use crate::metrics::Metrics;
use crate::run_channels::{RunChannels, is_whole_run, run_name};

pub(super) struct Channels {
    policy: ChannelPolicy,
    metrics: Metrics,
    channels: ChannelMap,
    groups: FanoutGroups,
    slots: HashMap<ViewerId, SlotId>,
    /// The clients that get lines from before their live ones, and are in no group yet.
    backfills: HashMap<ViewerId, Backfill>,
    waits: Waits,
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
    pub(super) fn new(policy: ChannelPolicy, metrics: Metrics, waits: Waits) -> Self {
        Self {
            policy,
            metrics,
            channels: ChannelMap::default(),
            groups: FanoutGroups::default(),
            slots: HashMap::new(),
            backfills: HashMap::new(),
            waits,
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
            self.groups.push_line(&whole.groups, &channel, &line);
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
        self.groups.push_line(&state.groups, &channel, &line);
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
            mark_gap(&mut self.groups, channel, state, id);
        }
    }

    /// The same of one channel.
    pub(super) fn mark_channel_gap(&mut self, channel: &str, id: LineId) {
        self.latest = self.latest.max(id);
        if let Some(state) = self.channels.get_mut(channel) {
            mark_gap(&mut self.groups, channel, state, id);
        }
    }

    /// The missed lines up to `id` have been published to every subscribed channel. The other channels have a gap.
    pub(super) fn catch_up(&mut self, id: LineId) {
        self.watermark = self.watermark.max(id);
        // A run that is subscribed as a whole comes before its channels.
        let mut whole_run = None;
        for (channel, state) in self.channels.iter_mut() {
            if state.guard.is_none() && whole_run != Some(run_name(channel)) {
                state.buffer.mark_gap(id);
            } else if is_whole_run(channel) {
                whole_run = Some(run_name(channel));
            }
        }
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
        if let Some(backfill) = self.backfills.get_mut(&viewer) {
            let ended = backfill.narrow(channels.clone());
            self.release(ended.iter(), |state| state.backfills -= 1);
            return;
        }
        let Some(slot) = self.slots.remove(&viewer) else { return };
        let format = self.groups.format(slot.group);
        // First this, so that no channel is without a viewer in between.
        self.watch(viewer, channels, format, client);
        self.remove(slot);
    }

    pub(super) fn leave(&mut self, viewer: ViewerId) {
        if let Some(backfill) = self.backfills.remove(&viewer) {
            self.end_backfill(&backfill.channels);
        } else if let Some(slot) = self.slots.remove(&viewer) {
            self.remove(slot);
        } else {
            return;
        }
        self.metrics.viewers.dec();
    }

    fn remove(&mut self, slot: SlotId) {
        let Some(channels) = self.groups.remove(slot) else { return };
        self.release(Some(&channels), |state| state.groups.retain(|&group| group != slot.group));
    }

    fn end_backfill(&mut self, channels: &RunChannels) {
        self.release(Some(channels), |state| state.backfills -= 1);
    }

    /// A viewer or a group of them has left these channels.
    fn release<'a>(
        &mut self,
        channels: impl IntoIterator<Item = &'a RunChannels>,
        release: impl Fn(&mut ChannelState),
    ) {
        for channel in channels.into_iter().flat_map(RunChannels::channels) {
            let Some(state) = self.channels.get_mut(channel) else { continue };
            release(state);
            if !state.note_leave()
                && let Some(removed) = self.channels.remove(channel)
            {
                self.watermark = self.watermark.max(removed.buffer.end());
            }
        }
    }

    /// The channels, and when each had its last line of those that are kept, in epoch seconds.
    pub(super) fn list(&self) -> Vec<(Arc<str>, Option<i128>)> {
        let (now, clock) = (Instant::now(), SystemTime::now());
        let to_seconds = |newest: Instant| {
            let time = clock.checked_sub(now.saturating_duration_since(newest))?;
            time.duration_since(SystemTime::UNIX_EPOCH).ok().map(|time| i128::from(time.as_secs()))
        };
        let channels = self
            .channels
            .iter()
            .map(|(name, state)| (name.clone(), state.buffer.newest().and_then(to_seconds)));
        channels.collect()
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

/// Marks a channel, and tells its viewers.
fn mark_gap(groups: &mut FanoutGroups, channel: &str, state: &mut ChannelState, id: LineId) {
    state.buffer.mark_gap(id);
    for &group in &state.groups {
        groups.push_gap(group, channel);
    }
}
