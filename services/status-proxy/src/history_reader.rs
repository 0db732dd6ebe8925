//! Reads the recorded history for a client that connects, where history is in Redis.

use std::sync::Arc;
use std::time::Duration;

use redis_core::error::reason;
use redis_core::{ErrorClass, RedisError};
use tokio::time::{Instant, sleep};

use crate::line::LineId;
use crate::position::SharedPosition;
use crate::resume::{ResumeRequest, Since, StoredHistory};
use crate::run_channels::is_whole_run;
use crate::store::Store;

/// How long a line that a client has seen on another instance may take to arrive here.
const CATCH_UP_TIMEOUT: Duration = Duration::from_millis(500);
/// How long it may take until another instance records after the recorder has died: its lease, and some more.
const TAKEOVER_TIMEOUT: Duration = Duration::from_secs(4);
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Checks the ids that clients resume from, and reads recorded history.
pub(crate) struct HistoryReader {
    /// `None` with history in memory.
    store: Option<Arc<Store>>,
    position: SharedPosition,
    /// The longest that a client waits.
    timeout: Duration,
}

impl HistoryReader {
    pub(crate) fn new(store: Option<Arc<Store>>, position: SharedPosition, timeout: Duration) -> Self {
        Self { store, position, timeout }
    }

    /// Checks that an id can be that of a line that has been received here, or will be in a moment.
    pub(crate) async fn check(&self, since: Since) -> Since {
        let Since::Line(id) = since else { return Since::Unknown };
        if !id.is_local() && self.is_known(id).await { since } else { Since::Unknown }
    }

    async fn is_known(&self, id: LineId) -> bool {
        let latest = || self.position.lock().latest;
        if self.store.is_none() {
            return id <= latest() && id.epoch == latest().epoch;
        }
        let deadline = Instant::now() + CATCH_UP_TIMEOUT;
        while id > latest() {
            if Instant::now() > deadline {
                return false;
            }
            sleep(POLL_INTERVAL).await;
        }
        true
    }

    /// Reads the recorded history of these channels; `None` if there is none to read.
    pub(crate) async fn read(&self, channels: &[&str], request: ResumeRequest) -> Option<Vec<StoredHistory>> {
        let store = self.store.as_ref().filter(|_| request.is_some())?;
        if channels.iter().any(|channel| is_whole_run(channel)) {
            return None;
        }
        match self.read_up_to_here(store, channels, request).await {
            Ok(stored) => Some(stored),
            Err(error) => {
                // The replay buffer has to do. Its answer says truthfully whether lines are missing.
                if ErrorClass::of(&error).is_invalid() {
                    tracing::warn!("read history: {}", reason(&error));
                }
                None
            }
        }
    }

    /// Reads until the recording reaches the first line that this instance has received. If this instance has just started,
    /// another one may not yet have recorded the lines before that.
    async fn read_up_to_here(
        &self,
        store: &Store,
        channels: &[&str],
        request: ResumeRequest,
    ) -> Result<Vec<StoredHistory>, RedisError> {
        let deadline = Instant::now() + TAKEOVER_TIMEOUT.min(self.timeout);
        loop {
            let stored = store.history.load(channels, request).await?;
            let complete_since = self.position.lock().complete_since;
            let reaches_here = stored.iter().all(|stored| stored.complete_until.epoch >= complete_since);
            if reaches_here || request.since_id().is_none() || Instant::now() > deadline {
                return Ok(stored);
            }
            sleep(POLL_INTERVAL).await;
        }
    }
}
