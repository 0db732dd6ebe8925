//! The clients that get the same bytes, and the bytes that are about to be sent to them.

use std::collections::HashMap;

use bytes::BytesMut;
use slab::Slab;
use tracing::Span;
use ws_server::{Client, Recipients};

use crate::frame::FrameFormat;
use crate::line::Line;
use crate::metrics::Metrics;
use crate::run_channels::RunChannels;
use crate::trace;

/// A group with more buffered bytes than this is sent to before more commands are handled.
const FLUSH_SIZE: usize = 64 * 1024;

/// All groups of a shard.
#[derive(Default)]
pub(super) struct FanoutGroups {
    groups: Slab<FanoutGroup>,
    numbers: HashMap<(RunChannels, FrameFormat), usize>,
    /// The groups with buffered bytes.
    pending: Vec<usize>,
    /// The spans of buffered lines, which end when they are sent.
    spans: Vec<Span>,
}

/// The clients that watch the same channels with the same frame format.
struct FanoutGroup {
    channels: RunChannels,
    format: FrameFormat,
    recipients: Recipients,
    buffer: BytesMut,
    /// Lines in the buffer.
    lines: u64,
}

/// Where a client is: its group, and its slot there.
#[derive(Clone, Copy)]
pub(super) struct SlotId {
    pub(super) group: usize,
    slot: usize,
}

impl FanoutGroups {
    /// The number of a group, if it has clients.
    pub(super) fn find(&self, channels: &RunChannels, format: FrameFormat) -> Option<usize> {
        self.numbers.get(&(channels.clone(), format)).copied()
    }

    /// Creates a group that [`find`](Self::find) did not find.
    pub(super) fn create(&mut self, channels: RunChannels, format: FrameFormat) -> usize {
        let number = self.groups.insert(FanoutGroup {
            channels: channels.clone(),
            format,
            recipients: Recipients::default(),
            buffer: BytesMut::new(),
            lines: 0,
        });
        self.numbers.insert((channels, format), number);
        number
    }

    pub(super) fn format(&self, group: usize) -> FrameFormat {
        self.groups[group].format
    }

    pub(super) fn add(&mut self, group: usize, client: Client) -> SlotId {
        SlotId { group, slot: self.groups[group].recipients.insert(client) }
    }

    /// Removes a client. Its group ends with its last client: then the channels that it watched are returned.
    pub(super) fn remove(&mut self, SlotId { group: number, slot }: SlotId) -> Option<RunChannels> {
        let group = &mut self.groups[number];
        group.recipients.remove(slot);
        if !group.recipients.is_empty() {
            return None;
        }
        let group = self.groups.remove(number);
        self.pending.retain(|&pending| pending != number);
        self.numbers.remove(&(group.channels.clone(), group.format));
        Some(group.channels)
    }

    /// Buffers a line for these groups.
    pub(super) fn push_line(&mut self, groups: &[usize], channel: &str, line: &Line) {
        if groups.is_empty() {
            return;
        }
        self.spans.extend(trace::span_of(&line.text));
        for &group in groups {
            let group = self.mark_pending(group);
            group.format.encode_status(&mut group.buffer, channel, line);
            group.lines += 1;
        }
    }

    /// Buffers a gap frame for a group, if its format announces gaps.
    pub(super) fn push_gap(&mut self, group: usize, channel: &str) {
        if self.groups[group].format.announces_gaps() {
            let group = self.mark_pending(group);
            group.format.encode_gap(&mut group.buffer, channel);
        }
    }

    fn mark_pending(&mut self, number: usize) -> &mut FanoutGroup {
        let group = &mut self.groups[number];
        if group.buffer.is_empty() {
            self.pending.push(number);
        }
        group
    }

    /// Whether some group has so many buffered bytes that they should be sent now.
    pub(super) fn must_flush(&self) -> bool {
        self.pending.iter().any(|&number| self.groups[number].buffer.len() > FLUSH_SIZE)
    }

    /// Sends what is buffered.
    pub(super) async fn flush(&mut self, metrics: &Metrics) {
        for number in std::mem::take(&mut self.pending) {
            let group = &mut self.groups[number];
            let messages = std::mem::take(&mut group.buffer).freeze();
            let deliveries = std::mem::take(&mut group.lines) * group.recipients.len() as u64;
            group.recipients.send(&messages).await;
            metrics.deliveries.inc_by(deliveries);
        }
        self.spans.clear();
    }
}
