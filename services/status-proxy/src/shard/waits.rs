//! What viewers wait for while they catch up. The shard itself waits for nobody.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use redis_core::error::{RETRY_INTERVAL_MS, reason};
use tokio::sync::mpsc::WeakUnboundedSender;
use tokio::time::sleep;
use tracing::debug;
use ws_server::Client;

use super::command::{ReadPage, ShardCommand, ViewerId};
use crate::history_pages::HistoryPages;
use crate::line::LineId;

/// See [the module](self).
pub(super) struct Waits {
    queue: WeakUnboundedSender<ShardCommand>,
    /// `None` with history in memory.
    pages: Option<Arc<HistoryPages>>,
}

impl Waits {
    pub(super) fn new(queue: WeakUnboundedSender<ShardCommand>, pages: Option<Arc<HistoryPages>>) -> Self {
        Self { queue, pages }
    }

    /// Whether there is a recorded history.
    pub(super) fn has_pages(&self) -> bool {
        self.pages.is_some()
    }

    /// Tells the shard when the client has taken what it was sent.
    pub(super) fn wait_for_client(&self, viewer: ViewerId, client: Client) {
        let queue = self.queue.clone();
        tokio::spawn(async move {
            if client.drained().await {
                send(&queue, ShardCommand::Backfill(viewer, Vec::new()));
            }
        });
    }

    /// Tells the shard when these pages have been read, each of which begins after a line of a channel.
    pub(super) fn wait_for_pages(&self, viewer: ViewerId, client: Client, wanted: Vec<(Arc<str>, LineId)>) {
        let Some(pages) = self.pages.clone() else { return };
        let queue = self.queue.clone();
        tokio::spawn(async move {
            let reads = wanted.into_iter().map(|(channel, after)| read(&pages, &client, channel, after));
            if let Some(read) = join_all(reads).await.into_iter().collect() {
                send(&queue, ShardCommand::Backfill(viewer, read));
            }
        });
    }
}

/// Reads a page. While Redis cannot be reached it tries again; `None` when the client has gone.
async fn read(pages: &HistoryPages, client: &Client, channel: Arc<str>, after: LineId) -> Option<ReadPage> {
    while client.drained().await {
        match pages.page(&channel, after).await {
            Ok(page) => return Some(ReadPage { channel, after, page }),
            Err(error) => debug!("read a page of history: {}", reason(&error)),
        }
        sleep(Duration::from_millis(RETRY_INTERVAL_MS)).await;
    }
    None
}

fn send(queue: &WeakUnboundedSender<ShardCommand>, command: ShardCommand) {
    if let Some(queue) = queue.upgrade() {
        // The shard ends only with the process.
        let _ = queue.send(command);
    }
}
