//! Takes events of a lane off the timeline that the broker has decided about, many at once. While one call is under way, the next batch
//! gathers. Refused ones become dead letters.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, mpsc, watch};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::DropGuard;
use tracing::warn;

use crate::assignment::Assignment;
use crate::claimed::ClaimedEvents;
use crate::lanes::Lane;
use crate::metrics::Metrics;
use crate::range::ClaimedEvent;
use crate::settled::{RefusedEvent, Settled};
use crate::timeline::Timeline;
use crate::warn_once::WarnOnce;

/// The task that acknowledges to the timeline what the broker has acknowledged to the player.
pub(crate) struct Acker {
    pub(crate) lane: Lane,
    pub(crate) timeline: Timeline,
    pub(crate) assignment: watch::Receiver<Assignment>,
    pub(crate) claimed: Arc<ClaimedEvents>,
    /// The events that the broker has decided about.
    pub(crate) settled: mpsc::UnboundedReceiver<Settled>,
    /// The player takes a permit for each event. The acker gives it back.
    pub(crate) permits: Arc<Semaphore>,
    /// From so many events on a call is worth it; fewer wait for more for up to [`MAX_WAIT`].
    pub(crate) min_batch: usize,
    /// Wakes the player when permits were given back.
    pub(crate) player: Arc<Notify>,
    pub(crate) metrics: Metrics,
    /// The last acker that ends drops it.
    pub(crate) finished: Arc<DropGuard>,
}

impl Acker {
    /// Runs until the player has ended and everything that it published is off the timeline.
    pub(crate) async fn run(mut self) -> anyhow::Result<()> {
        let warnings = WarnOnce::default();
        let (mut batch, mut accepted, mut refused) = (Vec::new(), Vec::new(), Vec::new());
        while self.settled.recv_many(&mut batch, MAX_BATCH).await > 0 {
            gather(&mut batch, &mut self.settled, self.min_batch).await;
            for settled in batch.drain(..) {
                match settled {
                    Settled::Accepted(claimed) => accepted.push(claimed),
                    Settled::Refused(event) => refused.push(event),
                }
            }
            if !accepted.is_empty() {
                self.take_off(Batch::Accepted(&accepted)).await;
                self.release(&accepted);
                accepted.clear();
            }
            if !refused.is_empty() {
                self.bury(&refused, &warnings).await;
                let events: Vec<ClaimedEvent> = refused.drain(..).map(|refused| refused.claimed).collect();
                self.release(&events);
            }
        }
        drop(self.finished);
        Ok(())
    }

    async fn bury(&self, refused: &[RefusedEvent], warnings: &WarnOnce) {
        for RefusedEvent { claimed, reason } in refused {
            if warnings.is_first(reason) {
                let customer = claimed.event.owner();
                warn!(customer, "a step becomes a dead letter, and so do others for this reason: {reason}");
            }
        }
        if self.take_off(Batch::Refused(refused)).await {
            self.metrics.count_dead_letters(refused.len());
        }
    }

    /// Takes events off the timeline, once it answers. False if the lease was lost.
    async fn take_off(&self, batch: Batch<'_>) -> bool {
        let assignment = self.assignment.borrow().clone();
        loop {
            let (taken, events) = match batch {
                Batch::Accepted(events) => {
                    (self.timeline.ack(self.lane, &assignment, events).await, events.len())
                }
                Batch::Refused(events) => {
                    (self.timeline.bury(self.lane, &assignment.instance, events).await, events.len())
                }
            };
            match taken {
                Ok(true) => return true,
                Ok(false) => {
                    // The partitions may belong to other instances by now, which publish these events again.
                    self.metrics.count_given_up(events);
                    warn!(events, "the lease was lost before {events} events were acknowledged");
                    return false;
                }
                Err(_) => tokio::time::sleep(RETRY_DELAY).await,
            }
        }
    }

    fn release(&self, events: &[ClaimedEvent]) {
        self.claimed.release(events);
        self.permits.add_permits(events.len());
        self.player.notify_one();
    }
}

/// Takes more from the queue until there are `enough`, but does not wait for long. It ends too when nobody can send any more.
async fn gather<T>(batch: &mut Vec<T>, queue: &mut mpsc::UnboundedReceiver<T>, enough: usize) {
    let deadline = Instant::now() + MAX_WAIT;
    while batch.len() < enough {
        let Ok(Some(next)) = timeout_at(deadline, queue.recv()).await else { return };
        batch.push(next);
    }
}

/// Events that leave the timeline together.
#[derive(Clone, Copy)]
enum Batch<'a> {
    Accepted(&'a [ClaimedEvent]),
    Refused(&'a [RefusedEvent]),
}

const MAX_BATCH: usize = 5_000;
const MAX_WAIT: Duration = Duration::from_millis(50);
const RETRY_DELAY: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_few_wait_for_more_but_not_for_long_and_enough_or_the_last_do_not_wait() {
        let (sender, mut queue) = mpsc::unbounded_channel();
        let began = Instant::now();
        let mut batch = vec![1];
        sender.send(2).unwrap();
        gather(&mut batch, &mut queue, 3).await;
        assert_eq!((&*batch, began.elapsed()), (&[1, 2][..], MAX_WAIT));
        sender.send(3).unwrap();
        sender.send(4).unwrap();
        gather(&mut batch, &mut queue, 3).await;
        assert_eq!((&*batch, began.elapsed()), (&[1, 2, 3][..], MAX_WAIT));
        drop(sender);
        gather(&mut batch, &mut queue, 9).await;
        assert_eq!((&*batch, began.elapsed()), (&[1, 2, 3, 4][..], MAX_WAIT));
    }
}
