//! Tells the operator of bad messages: one warning a minute at most.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::batch::BadOffset;
use crate::topic_partition::TopicPartition;

/// Collects what the next warning says. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct BadMessageLog(Arc<Shared>);

#[derive(Default)]
struct Shared {
    summary: Mutex<Option<Summary>>,
    added: Notify,
}

struct Summary {
    count: usize,
    example: (TopicPartition, BadOffset),
}

impl BadMessageLog {
    /// Messages of a partition have become dead letters.
    pub(crate) fn add<'a>(
        &self,
        partition: &TopicPartition,
        bad_messages: impl IntoIterator<Item = &'a BadOffset>,
    ) {
        let mut bad_messages = bad_messages.into_iter();
        let Some(first) = bad_messages.next() else { return };
        let mut summary = self.0.summary.lock();
        let summary =
            summary.get_or_insert_with(|| Summary { count: 0, example: (partition.clone(), first.clone()) });
        summary.count += 1 + bad_messages.count();
        self.0.added.notify_one();
    }

    /// Logs until `stopping`. The first bad message is told at once.
    ///
    /// # Errors
    /// Never.
    pub(crate) async fn run(self, stopping: CancellationToken) -> anyhow::Result<()> {
        while stopping.run_until_cancelled(self.0.added.notified()).await.is_some() {
            self.log();
            if stopping.run_until_cancelled(tokio::time::sleep(INTERVAL)).await.is_none() {
                break;
            }
        }
        self.log();
        Ok(())
    }

    fn log(&self) {
        let Some(Summary { count, example: (partition, bad) }) = self.0.summary.lock().take() else { return };
        let BadOffset { offset, reason } = bad;
        let messages = if count == 1 { "message" } else { "messages" };
        warn!(
            topic = partition.topic,
            partition = partition.partition,
            offset,
            "{count} bad {messages} became dead letters, for example {partition} offset {offset}: {reason}"
        );
    }
}

const INTERVAL: Duration = Duration::from_secs(60);
