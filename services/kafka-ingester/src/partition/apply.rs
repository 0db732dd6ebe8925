//! A batch on its way into Redis, for as long as that takes.

use std::time::{Duration, Instant};

use tracing::debug;

use super::{End, Partition};
use crate::batch::Batch;
use crate::store::{Counts, Outcome};

impl Partition {
    /// Applies a batch whose first offset may be `start`, and does not give up.
    pub(super) async fn apply(&self, batch: &mut Batch, start: i64, next: i64) -> Result<Counts, End> {
        self.same_topic()?;
        let metrics = &self.shared.metrics;
        metrics.batch_messages.observe(batch.len() as f64);
        let mut from = start;
        loop {
            self.memory().await?;
            let begun = Instant::now();
            let outcome = self
                .unless_stopped(self.shared.store.apply(&self.at, self.epoch, (start, next), from, batch))
                .await?;
            let label = match &outcome {
                Ok(outcome) => outcome.label(),
                Err(_) => "unanswered",
            };
            metrics.batch_seconds.with_label_values(&[label]).observe(begun.elapsed().as_secs_f64());
            match outcome {
                Ok(Outcome::Done(counts)) => {
                    self.shared.writing.open();
                    // Redis was slow, or a reconnect went on behind this call.
                    if begun.elapsed() >= SLOW {
                        metrics.paused_seconds.inc_by(begun.elapsed().as_secs_f64());
                    }
                    return Ok(counts);
                }
                Ok(Outcome::Refused(offset, why, _)) => {
                    debug!("redis refused {} offset {offset}: {why}", self.at);
                    batch.refuse(offset, &format!("redis: {why}"));
                    from = offset;
                }
                Ok(Outcome::Hole(stored)) => {
                    return Err(End::Rewind(format!("redis knew {start}, and knows {stored}")));
                }
                Ok(Outcome::Fenced(owner)) => {
                    let newer = owner.parse::<i64>().is_ok_and(|epoch| epoch > self.epoch);
                    return Err(if newer {
                        End::Taken(owner)
                    } else {
                        End::Rewind("redis forgot who owns it".to_owned())
                    });
                }
                Ok(Outcome::Later(why, _)) => {
                    self.shared.writing.close(why);
                    self.pause(begun, LATER_PAUSE).await?;
                }
                // It may have been applied: the same again changes nothing then.
                Err(error) => {
                    debug!("apply a batch of {}: {error:#}", self.at);
                    self.pause(begun, UNANSWERED_PAUSE).await?;
                }
            }
        }
    }

    async fn memory(&self) -> Result<(), End> {
        if self.shared.memory.borrow().is_ok() {
            return Ok(());
        }
        let (begun, mut memory) = (Instant::now(), self.shared.memory.clone());
        let room = async { memory.wait_for(Result::is_ok).await.map(drop) };
        // Its sender lives as long as the process works.
        let waited = self.unless_stopped(room).await.map(drop);
        self.shared.metrics.paused_seconds.inc_by(begun.elapsed().as_secs_f64());
        waited
    }

    async fn pause(&self, begun: Instant, pause: Duration) -> Result<(), End> {
        let paused = self.unless_stopped(tokio::time::sleep(pause)).await;
        self.shared.metrics.paused_seconds.inc_by(begun.elapsed().as_secs_f64());
        paused
    }
}

const SLOW: Duration = Duration::from_millis(250);
const LATER_PAUSE: Duration = Duration::from_millis(500);
const UNANSWERED_PAUSE: Duration = Duration::from_millis(50);
