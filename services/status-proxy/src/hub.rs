//! Passes lines and clients on to the shards.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tracing::warn;
use ws_server::Client;

use crate::history_pages::HistoryPages;
use crate::line::{Line, LineId};
use crate::metrics::Metrics;
use crate::run_channels::{RunChannels, shard_index};
use crate::shard::{
    ChannelPolicy, JoinRequest, PreparedViewer, QueuedBytes, Shard, ShardCommand, ViewerId, queued_size,
};

/// The most bytes of lines in a shard's queue. Lines beyond that are dropped, and a gap is announced: if this waited
/// instead, Redis would drop the connection.
const MAX_QUEUED_BYTES: usize = 64 * 1024 * 1024;

/// All shards. Clones share them.
#[derive(Clone)]
pub(crate) struct Hub(Arc<Inner>);

struct Inner {
    shards: Vec<ShardHandle>,
    next_viewer: AtomicU64,
    metrics: Metrics,
}

struct ShardHandle {
    queue: mpsc::UnboundedSender<ShardCommand>,
    queued_bytes: QueuedBytes,
    /// Lines have been dropped since the last one that was queued.
    is_dropping: AtomicBool,
}

impl Hub {
    /// The hub, and the tasks of its shards. `pages`: with history in Redis.
    pub(crate) fn new(
        policy: ChannelPolicy,
        pages: Option<&Arc<HistoryPages>>,
        metrics: &Metrics,
    ) -> (Self, Vec<impl Future<Output = ()> + use<>>) {
        let count = std::thread::available_parallelism().map_or(1, usize::from);
        let policy = ChannelPolicy { max_bytes: policy.max_bytes / count, ..policy };
        let (shards, tasks) = (0..count)
            .map(|_| {
                let (queue, commands) = mpsc::unbounded_channel();
                let queued_bytes = QueuedBytes::default();
                let (bytes, weak_queue) = (queued_bytes.clone(), queue.downgrade());
                let shard = Shard::new(policy, metrics.clone(), bytes, weak_queue, pages.cloned());
                let handle = ShardHandle { queue, queued_bytes, is_dropping: AtomicBool::new(false) };
                (handle, shard.run(commands))
            })
            .unzip();
        (Self(Arc::new(Inner { shards, next_viewer: AtomicU64::new(0), metrics: metrics.clone() })), tasks)
    }

    /// Publishes a line to the viewers of its channel. Ids must grow from call to call.
    pub(crate) fn publish(&self, channel: Arc<str>, line: Line) {
        let shard = self.shard(&channel);
        if shard.queued_bytes.load(Ordering::Relaxed) > MAX_QUEUED_BYTES {
            if !shard.is_dropping.swap(true, Ordering::Relaxed) {
                warn!("lines arrive faster than they can be sent: some are dropped, and a gap is announced");
            }
            return;
        }
        if shard.is_dropping.swap(false, Ordering::Relaxed) {
            // The dropped lines have lesser ids than this line, which is the first after the gap.
            self.0.metrics.gaps.inc();
            shard.send(ShardCommand::Gap(line.id.previous()));
        }
        shard.queued_bytes.fetch_add(queued_size(&line), Ordering::Relaxed);
        shard.send(ShardCommand::Publish(channel, line));
    }

    /// Announces that lines of any channel up to `id` may have been missed.
    pub(crate) fn announce_gap(&self, id: LineId) {
        self.0.metrics.gaps.inc();
        self.0.shards.iter().for_each(|shard| shard.send(ShardCommand::Gap(id)));
    }

    /// The same of one channel.
    pub(crate) fn announce_channel_gap(&self, channel: Arc<str>, id: LineId) {
        self.0.metrics.gaps.inc();
        self.shard(&channel).send(ShardCommand::ChannelGap(channel.clone(), id));
    }

    /// Says that the missed lines up to `id` have been published to every subscribed channel.
    pub(crate) fn caught_up(&self, id: LineId) {
        self.0.shards.iter().for_each(|shard| shard.send(ShardCommand::CaughtUp(id)));
    }

    /// Lets a client watch until the returned guard is dropped.
    pub(crate) fn join(&self, client: Client, prepared: PreparedViewer) -> ViewerGuard {
        self.join_with(client, prepared, None, &[])
    }

    /// The same for a client that asked for it on an open socket: it gets a notice first. What it watches of the same run by
    /// `replaced` ends at the same point between the lines.
    pub(crate) fn add(
        &self,
        client: Client,
        prepared: PreparedViewer,
        notice: Bytes,
        replaced: &[ViewerGuard],
    ) -> ViewerGuard {
        self.join_with(client, prepared, Some(notice), replaced)
    }

    fn join_with(
        &self,
        client: Client,
        prepared: PreparedViewer,
        notice: Option<Bytes>,
        replaced: &[ViewerGuard],
    ) -> ViewerGuard {
        let viewer = self.0.next_viewer.fetch_add(1, Ordering::Relaxed);
        let channels = prepared.channels.clone();
        let replaced = replaced.iter().map(|guard| guard.viewer).collect();
        let has_history = prepared.resume.is_some().then(CancellationToken::new);
        let end = has_history.clone().map(CancellationToken::drop_guard);
        let request = JoinRequest { viewer, client, prepared, notice, replaced, end };
        self.shard(channels.run().as_str()).send(ShardCommand::Join(Box::new(request)));
        ViewerGuard { hub: self.clone(), viewer, channels, has_history }
    }

    /// Sends a client a message behind all lines of the run so far, and before all later ones.
    pub(crate) fn notify(&self, client: &Client, run: &str, message: Bytes) {
        self.shard(run).send(ShardCommand::Notice(client.clone(), message));
    }

    /// Waits until the run's shard has carried out what it was told so far.
    pub(crate) async fn settle(&self, run: &str) {
        let (sender, settled) = oneshot::channel();
        self.shard(run).send(ShardCommand::Settle(sender));
        // Without an answer the process is ending.
        let _ = settled.await;
    }

    /// The channels that are kept, and when each had its last line, in epoch seconds.
    pub(crate) async fn channels(&self) -> Vec<(Arc<str>, Option<i128>)> {
        let mut channels = Vec::new();
        for shard in &self.0.shards {
            let (sender, listed) = oneshot::channel();
            shard.send(ShardCommand::List(sender));
            // Without an answer the process is ending.
            channels.extend(listed.await.unwrap_or_default());
        }
        channels
    }

    /// The shard of a channel or of a run: all channels of a run are in the same one.
    fn shard(&self, channel: &str) -> &ShardHandle {
        &self.0.shards[shard_index(channel, self.0.shards.len())]
    }
}

impl ShardHandle {
    fn send(&self, command: ShardCommand) {
        // A shard ends only with the process. Then nobody needs the command.
        let _ = self.queue.send(command);
    }
}

/// Keeps a client watching until it is dropped.
pub(crate) struct ViewerGuard {
    hub: Hub,
    viewer: ViewerId,
    channels: RunChannels,
    /// Cancelled when the client has got the history that it asked for.
    has_history: Option<CancellationToken>,
}

impl ViewerGuard {
    /// Waits until the client has got the history that it asked for.
    pub(crate) async fn has_history(&self) {
        if let Some(has_history) = &self.has_history {
            has_history.cancelled().await;
        }
    }

    /// What the client watches.
    pub(crate) fn channels(&self) -> &RunChannels {
        &self.channels
    }

    /// Lets the client watch only those of its channels that `stays` says. `false`: that are none, so this should be dropped.
    pub(crate) fn keep_channels(&mut self, client: &Client, stays: impl Fn(&str) -> bool) -> bool {
        let Some(channels) = self.channels.only(stays) else { return false };
        if channels != self.channels {
            self.channels = channels.clone();
            self.send(ShardCommand::Narrow(self.viewer, channels, client.clone()));
        }
        true
    }

    fn send(&self, command: ShardCommand) {
        self.hub.shard(self.channels.run().as_str()).send(command);
    }
}

impl Drop for ViewerGuard {
    fn drop(&mut self) {
        self.send(ShardCommand::Leave(self.viewer));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_a_full_queue_drops_are_a_gap_before_the_next_one() {
        let (queue, mut commands) = mpsc::unbounded_channel();
        let queued_bytes = QueuedBytes::default();
        let shard =
            ShardHandle { queue, queued_bytes: queued_bytes.clone(), is_dropping: AtomicBool::new(false) };
        let metrics = Metrics::new(&prometheus::Registry::new()).unwrap();
        let hub = Hub(Arc::new(Inner { shards: vec![shard], next_viewer: AtomicU64::new(0), metrics }));
        let text: Arc<str> = "x".repeat(16 << 20).into();
        let publish = |sequence| {
            hub.publish("r:a".into(), Line { id: LineId { epoch: 1, sequence }, text: text.clone() });
        };
        (1..=9).for_each(publish);
        queued_bytes.store(0, Ordering::Relaxed);
        publish(10);
        let told: Vec<String> = std::iter::from_fn(|| commands.try_recv().ok())
            .map(|command| match command {
                ShardCommand::Publish(_, line) => line.id.to_string(),
                ShardCommand::Gap(id) => format!("gap up to {id}"),
                _ => "something else".to_owned(),
            })
            .collect();
        assert_eq!(told, ["1-1", "1-2", "1-3", "1-4", "gap up to 1-9", "1-10"]);
        assert_eq!(hub.0.metrics.gaps.get(), 1);
    }
}
