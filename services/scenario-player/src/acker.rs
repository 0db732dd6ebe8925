//! Takes published events off the timeline, many at once: while one acknowledgement is under way, the next gathers.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::holdings::Holdings;
use crate::lanes::View;
use crate::metrics::Metrics;
use crate::timeline::{Claimed, Timeline};

/// Acknowledges to the timeline what the broker has acknowledged to the player.
pub(crate) struct Acker {
    pub(crate) timeline: Timeline,
    pub(crate) view: watch::Receiver<View>,
    pub(crate) holdings: Arc<Holdings>,
    pub(crate) published: mpsc::UnboundedReceiver<Claimed>,
    pub(crate) batch: Arc<Semaphore>,
    pub(crate) metrics: Metrics,
    /// Cancelled when all is done.
    pub(crate) finished: CancellationToken,
}

impl Acker {
    /// Runs until the player is gone and all that it published is off the timeline.
    pub(crate) async fn run(mut self) -> anyhow::Result<()> {
        let _finished = self.finished.clone().drop_guard();
        let mut batch = Vec::new();
        while self.published.recv_many(&mut batch, ACK_AT_ONCE).await > 0 {
            let instance = Arc::clone(&self.view.borrow().instance);
            loop {
                match self.timeline.ack(&instance, &batch).await {
                    Ok(true) => break,
                    Ok(false) => {
                        // Others own these by now and will publish them again.
                        self.metrics.repeated(batch.len());
                        warn!(
                            events = batch.len(),
                            "the lease was lost before {} events were acknowledged",
                            batch.len()
                        );
                        break;
                    }
                    Err(_) => tokio::time::sleep(RETRY).await,
                }
            }
            self.holdings.release(&batch);
            self.batch.add_permits(batch.len());
            batch.clear();
        }
        Ok(())
    }
}

const ACK_AT_ONCE: usize = 5_000;
const RETRY: Duration = Duration::from_millis(100);
