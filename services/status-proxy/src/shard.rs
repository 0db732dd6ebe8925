//! A shard owns a part of all runs: their channels, the last lines of each, and the clients that watch them.
//!
//! All commands to a shard go through one queue. So a client joins at one point in the order of its lines: the lines
//! before that point are its history, the lines after it are live. No line is both, and none is neither. A client that has much
//! history to take joins later: it is sent a piece at a time, from the recorded history and from the last lines, and live lines
//! wait for it there.

mod backfill;
mod buffered_lines;
mod channel;
mod channel_map;
mod channel_progress;
mod channels;
mod command;
mod fanout;
mod waits;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

pub(crate) use self::channel::ChannelPolicy;
use self::channels::Channels;
pub(crate) use self::command::{
    ChannelSubscription, JoinRequest, PreparedViewer, ShardCommand, ViewerId, queued_size,
};
use self::waits::Waits;
use crate::history_pages::HistoryPages;
use crate::metrics::Metrics;

/// The most commands that are taken from the queue at once. The lines among them are sent together.
const BATCH_SIZE: usize = 256;
/// How often old lines and idle channels are dropped.
const EXPIRE_INTERVAL: Duration = Duration::from_secs(1);

/// The bytes of lines in a shard's queue.
pub(crate) type QueuedBytes = Arc<AtomicUsize>;

pub(crate) struct Shard {
    channels: Channels,
    queued_bytes: QueuedBytes,
}

impl Shard {
    /// `queue` leads to the receiver that [`run`](Self::run) gets. `pages`: with history in Redis.
    pub(crate) fn new(
        policy: ChannelPolicy,
        metrics: Metrics,
        queued_bytes: QueuedBytes,
        queue: mpsc::WeakUnboundedSender<ShardCommand>,
        pages: Option<Arc<HistoryPages>>,
    ) -> Self {
        Self { channels: Channels::new(policy, metrics, Waits::new(queue, pages)), queued_bytes }
    }

    /// Runs until all senders are dropped.
    pub(crate) async fn run(mut self, mut queue: mpsc::UnboundedReceiver<ShardCommand>) {
        let mut batch = Vec::with_capacity(BATCH_SIZE);
        let mut expire = tokio::time::interval(EXPIRE_INTERVAL);
        loop {
            tokio::select! {
                biased;
                count = queue.recv_many(&mut batch, BATCH_SIZE) => {
                    if count == 0 {
                        return;
                    }
                }
                _ = expire.tick() => {
                    self.channels.expire(Instant::now());
                    continue;
                }
            }
            for command in batch.drain(..) {
                self.apply(command).await;
            }
            self.channels.flush().await;
        }
    }

    async fn apply(&mut self, command: ShardCommand) {
        match command {
            ShardCommand::Publish(channel, line) => {
                self.queued_bytes.fetch_sub(queued_size(&line), Ordering::Relaxed);
                self.channels.publish(channel, line);
                if self.channels.must_flush() {
                    self.channels.flush().await;
                }
            }
            ShardCommand::Gap(id) => self.channels.mark_gap(id),
            ShardCommand::ChannelGap(channel, id) => self.channels.mark_channel_gap(&channel, id),
            ShardCommand::CaughtUp(id) => self.channels.catch_up(id),
            ShardCommand::Join(request) => {
                // The new client must not get the lines before it as live ones.
                self.channels.flush().await;
                self.channels.join(*request);
            }
            ShardCommand::Backfill(viewer, pages) => {
                // As above: here it may begin to get live lines.
                self.channels.flush().await;
                self.channels.backfill(viewer, pages);
            }
            ShardCommand::Narrow(viewer, channels, client) => {
                self.channels.flush().await;
                self.channels.narrow(viewer, &channels, client);
            }
            ShardCommand::Leave(viewer) => self.channels.leave(viewer),
            ShardCommand::Notice(client, message) => {
                self.channels.flush().await;
                client.send_notice(&message);
            }
            // Who has gone needs no answer.
            ShardCommand::List(answer) => drop(answer.send(self.channels.list())),
            ShardCommand::Settle(answer) => drop(answer.send(())),
        }
    }
}
