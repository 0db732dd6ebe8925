//! Finds where the history of a client that connects begins.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join_all;
use redis_core::error::reason;
use redis_core::{ErrorClass, RedisError};
use tokio::time::{Instant, sleep};

use crate::history_pages::HistoryPages;
use crate::line::LineId;
use crate::position::SharedPosition;
use crate::resume::{ResumeRequest, Since, StoredStart};
use crate::run_channels::{is_whole_run, run_name};
use crate::store::StoredPage;

/// How long a line that a client has seen on another instance may take to arrive here.
const CATCH_UP_TIMEOUT: Duration = Duration::from_millis(500);
/// How long it may take until another instance records after the recorder has died: its lease, and some more.
const TAKEOVER_TIMEOUT: Duration = Duration::from_secs(4);
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Checks the ids that clients resume from, and finds their place in the recorded history.
pub(crate) struct HistoryReader {
    /// `None` with history in memory.
    pages: Option<Arc<HistoryPages>>,
    position: SharedPosition,
    /// The longest that a client waits.
    timeout: Duration,
}

impl HistoryReader {
    pub(crate) fn new(pages: Option<Arc<HistoryPages>>, position: SharedPosition, timeout: Duration) -> Self {
        Self { pages, position, timeout }
    }

    /// Checks that an id can be that of a line that has been received here, or will be in a moment.
    pub(crate) async fn check(&self, since: Since) -> Since {
        let Since::Line(id) = since else { return Since::Unknown };
        if !id.is_local() && self.is_known(id).await { since } else { Since::Unknown }
    }

    async fn is_known(&self, id: LineId) -> bool {
        let latest = || self.position.lock().latest;
        let is_in_order = || self.position.lock().order.may_have(id.epoch);
        if self.pages.is_none() {
            return id <= latest() && id.epoch == latest().epoch;
        }
        let deadline = Instant::now() + CATCH_UP_TIMEOUT;
        while id > latest() {
            if Instant::now() > deadline {
                return false;
            }
            sleep(POLL_INTERVAL).await;
        }
        is_in_order()
    }

    /// What the recorded history of these channels has for a client; `None` if there is nothing to read.
    pub(crate) async fn start(&self, channels: &[&str], request: ResumeRequest) -> Option<Vec<StoredStart>> {
        let pages = self.pages.as_ref()?;
        let start = match (request.since_id(), request.last) {
            (Some(since), _) => self.start_after(pages, channels, since).await,
            (None, Some(count)) if count > 0 => start_at_last(pages, channels, count).await,
            _ => return None,
        };
        match start {
            Ok(start) => Some(start),
            Err(error) => {
                // The replay buffer has to do. Its answer says truthfully whether lines are missing.
                if ErrorClass::of(&error).is_invalid() {
                    tracing::warn!("read history: {}", reason(&error));
                }
                None
            }
        }
    }

    /// Waits until the recording reaches the first line that this instance has received. If this instance has just started,
    /// another one may not yet have recorded the lines before that.
    async fn start_after(
        &self,
        pages: &HistoryPages,
        channels: &[&str],
        since: LineId,
    ) -> Result<Vec<StoredStart>, RedisError> {
        let history = &pages.history;
        let deadline = Instant::now() + TAKEOVER_TIMEOUT.min(self.timeout);
        loop {
            // All are of one run.
            let until = history.recorded_span(channels.first().unwrap_or(&"")).await?.until;
            if until.epoch >= self.position.lock().complete_since || Instant::now() > deadline {
                break;
            }
            sleep(POLL_INTERVAL).await;
        }
        if let Some(run) = as_whole_run(channels) {
            return Ok(vec![history.run_start_after(run, since).await?]);
        }
        // No lines are needed, only what the streams prove.
        let reads = channels.iter().map(|channel| history.page(channel, since, 0));
        Ok(StoredPage::starts_after(since, &try_join_all(reads).await?))
    }
}

async fn start_at_last(
    pages: &HistoryPages,
    channels: &[&str],
    count: usize,
) -> Result<Vec<StoredStart>, RedisError> {
    if let Some(run) = as_whole_run(channels) {
        return Ok(vec![pages.history.run_start_at_last(run, count).await?]);
    }
    // This comes first, so that every line that it says is recorded is among those that are found.
    let span = pages.history.recorded_span(channels.first().unwrap_or(&"")).await?;
    let found = try_join_all(channels.iter().map(|channel| pages.find_last(channel, count))).await?;
    Ok(found.into_iter().map(|last| span.start_at_last(last)).collect())
}

/// The run, if all its channels are meant. They stand alone.
fn as_whole_run<'a>(channels: &[&'a str]) -> Option<&'a str> {
    channels.first().filter(|channel| is_whole_run(channel)).map(|channel| run_name(channel))
}
