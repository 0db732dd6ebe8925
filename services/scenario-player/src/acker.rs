//! Takes published events off the timeline, many at once. While one call is under way, the next batch gathers.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::assignment::Assignment;
use crate::claimed::ClaimedEvents;
use crate::metrics::Metrics;
use crate::range::ClaimedEvent;
use crate::timeline::Timeline;

/// The task that acknowledges to the timeline what the broker has acknowledged to the player.
pub(crate) struct Acker {
    pub(crate) timeline: Timeline,
    pub(crate) assignment: watch::Receiver<Assignment>,
    pub(crate) claimed: Arc<ClaimedEvents>,
    /// The events that the broker has acknowledged.
    pub(crate) published: mpsc::UnboundedReceiver<ClaimedEvent>,
    /// The player takes a permit for each event. The acker gives it back.
    pub(crate) permits: Arc<Semaphore>,
    pub(crate) metrics: Metrics,
    /// Cancelled by the acker when it ends.
    pub(crate) finished: CancellationToken,
}

impl Acker {
    /// Runs until the player has ended and everything that it published is off the timeline.
    pub(crate) async fn run(mut self) -> anyhow::Result<()> {
        let _cancelled_at_the_end = self.finished.clone().drop_guard();
        let mut batch = Vec::new();
        while self.published.recv_many(&mut batch, MAX_BATCH).await > 0 {
            let instance = Arc::clone(&self.assignment.borrow().instance);
            loop {
                match self.timeline.ack(&instance, &batch).await {
                    Ok(true) => break,
                    Ok(false) => {
                        // The partitions may belong to other instances by now, which publish these events again.
                        let events = batch.len();
                        self.metrics.count_given_up(events);
                        warn!(events, "the lease was lost before {events} events were acknowledged");
                        break;
                    }
                    Err(_) => tokio::time::sleep(RETRY_DELAY).await,
                }
            }
            self.claimed.release(&batch);
            self.permits.add_permits(batch.len());
            batch.clear();
        }
        Ok(())
    }
}

const MAX_BATCH: usize = 5_000;
const RETRY_DELAY: Duration = Duration::from_millis(250);
