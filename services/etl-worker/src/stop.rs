//! When a task ends: what is under way is completed, unless Redis does not answer.

use std::time::Duration;

use redis_core::State;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// The stop of this process, for tasks that wait for Redis. Cloning shares it.
#[derive(Clone)]
pub struct Stop {
    /// Cancelled when tasks must end what is under way and return.
    pub stopping: CancellationToken,
    /// Whether Redis does what a worker needs.
    pub redis: watch::Receiver<State>,
}

impl Stop {
    /// Runs work to its end. `None` if the process is stopping and Redis has done nothing for a second: then no work can be
    /// completed, and whoever is there when Redis is back takes it over, as if this process had been killed.
    pub async fn complete<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            result = work => Some(result),
            () = self.is_hopeless() => None,
        }
    }

    async fn is_hopeless(&self) {
        self.stopping.cancelled().await;
        let mut redis = self.redis.clone();
        loop {
            // An error means that the connection has ended.
            if redis.wait_for(State::is_err).await.is_err()
                || timeout(PATIENCE, redis.wait_for(State::is_ok)).await.is_err()
            {
                return;
            }
        }
    }
}

const PATIENCE: Duration = Duration::from_secs(1);
