//! Becoming a partition's owner, and going where Redis stands.

use std::sync::Arc;

use tracing::{error, info, warn};

use super::{End, Partition};
use crate::kafka::{self, Start};
use crate::topics;

impl Partition {
    /// Becomes the owner in Redis, and goes to Redis's offset, which it returns.
    pub(super) async fn claim(&mut self) -> Result<i64, End> {
        self.topic_id = topics::id_of(&self.shared.consumer, &self.at.topic).await.map_err(End::Failed)?;
        let claim =
            self.unless_stopped(self.shared.store.claim(&self.at, self.epoch, &self.topic_id)).await?;
        let claim = claim.map_err(End::Failed)?;
        self.epoch = claim.epoch;
        self.counts = claim.counts;
        let (consumer, at) = (Arc::clone(&self.shared.consumer), self.at.clone());
        let locate = move || kafka::locate(&consumer, &at, claim.next, claim.recreated);
        let located =
            blocking(locate).await.map_err(|error| End::Failed(error.context("find where to begin")))?;
        let start = match (located, claim.next) {
            (Start::Stored, Some(stored)) => stored,
            (Start::Beyond(low, high), _) if self.beyond >= BEYOND_PATIENCE => {
                warn!(partition = %self.at, "{} ends at {high}: it is another log, and read from its start", self.at);
                self.begin(low).await?
            }
            (Start::Beyond(_, high), stored) => {
                self.beyond += 1;
                let stored = stored.unwrap_or_default();
                return Err(End::Failed(anyhow::anyhow!(
                    "the log ends at {high}, before redis's offset {stored}"
                )));
            }
            (Start::At(offset, gone), _) => {
                if gone > 0 {
                    self.shared.metrics.lost.inc_by(gone);
                    error!(partition = %self.at, "kafka deleted {gone} messages of {} before they were read", self.at);
                }
                self.begin(offset).await?
            }
            (Start::Stored, None) => return Err(End::Rewind("the offset is gone".to_owned())),
        };
        self.beyond = 0;
        let (consumer, at) = (Arc::clone(&self.shared.consumer), self.at.clone());
        blocking(move || kafka::seek(&consumer, &at, start)).await.map_err(End::Failed)?;
        if self.stop.is_cancelled() {
            return Err(End::Stopped);
        }
        self.progress.set(start);
        info!(partition = %self.at, epoch = self.epoch, "reading {} from offset {start}", self.at);
        Ok(start)
    }

    async fn begin(&self, offset: i64) -> Result<i64, End> {
        match self.unless_stopped(self.shared.store.begin(&self.at, self.epoch, offset)).await? {
            Ok(true) => Ok(offset),
            Ok(false) => Err(End::Taken("newer".to_owned())),
            Err(error) => Err(End::Failed(error.into())),
        }
    }
}

async fn blocking<T: Send + 'static, E: Into<anyhow::Error> + Send + 'static>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> anyhow::Result<T> {
    tokio::task::spawn_blocking(work).await?.map_err(Into::into)
}

/// A broker that was just restarted may show a shorter log for a moment.
const BEYOND_PATIENCE: u32 = 5;
