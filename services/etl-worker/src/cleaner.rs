//! Removes the records of committed games where a commit cannot do so itself: on a Redis Cluster they are on several shards.

use std::time::Duration;

use redis_core::RedisError;
use redis_core::error::reason;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::store::{Cleanup, Store};

/// Removes records. All workers run one, and share the games. A game stays marked until all its records are removed, so
/// wherever this is cut off it is done again.
pub struct Cleaner {
    /// Where the records are.
    pub store: Store,
    /// When they may go.
    pub cleanup: Cleanup,
    /// How long another cleaner leaves games alone that this one has taken.
    pub lease: Duration,
}

impl Cleaner {
    /// Removes records until `stopping` is cancelled.
    ///
    /// # Errors
    /// Never: what fails is tried again.
    pub async fn run(self, stopping: CancellationToken) -> anyhow::Result<()> {
        stopping.run_until_cancelled(self.clean_up_repeatedly()).await;
        Ok(())
    }

    async fn clean_up_repeatedly(&self) {
        loop {
            match self.clean_up().await {
                Ok(0) => sleep(INTERVAL).await,
                Ok(_) => {}
                Err(error) => {
                    debug!("remove records: {}", reason(&error));
                    sleep(INTERVAL).await;
                }
            }
        }
    }

    /// Returns of how many games the records are removed.
    async fn clean_up(&self) -> Result<usize, RedisError> {
        let games = self.store.take_uncleaned(self.lease).await?;
        self.store.clean_up(games, self.cleanup).await
    }
}

/// The time between two looks for games.
const INTERVAL: Duration = Duration::from_millis(500);
