//! Waits for all that a client needs before it can watch some channels.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::history_reader::HistoryReader;
use crate::hub::Hub;
use crate::resume::ResumeRequest;
use crate::run_channels::RunChannels;
use crate::shard::{ChannelSubscription, PreparedViewer};
use crate::subscriptions::{SubscribeRefusal, SubscriptionGuard, Subscriptions};

/// See [the module](self).
pub(crate) struct Preparer {
    pub(crate) hub: Hub,
    pub(crate) subscriptions: Subscriptions,
    pub(crate) history: HistoryReader,
    /// How long a client waits for its subscriptions before it is refused.
    pub(crate) subscribe_timeout: Duration,
    /// The most channels that one socket may watch.
    pub(crate) max_subscriptions: usize,
}

impl Preparer {
    /// Waits for all that a client needs before it can watch these channels.
    pub(crate) async fn prepare(
        &self,
        channels: RunChannels,
        mut resume: ResumeRequest,
    ) -> Result<PreparedViewer, SubscribeRefusal> {
        // The subscriptions come first: without them nobody knows which lines are complete.
        let guards = self.subscribe(&channels).await?;
        if let Some(since) = resume.since {
            resume.since = Some(self.history.check(since).await);
        }
        let names: Vec<&str> = channels.channels().collect();
        let stored = self.history.start(&names, resume).await.unwrap_or_default();
        let stored = stored.into_iter().map(Some).chain(std::iter::repeat_with(|| None));
        let subscriptions = guards
            .into_iter()
            .zip(stored)
            .map(|(guard, stored)| ChannelSubscription { guard, stored })
            .collect();
        Ok(PreparedViewer { channels, resume, subscriptions })
    }

    /// Waits until Redis has confirmed the subscriptions to all channels.
    async fn subscribe(&self, channels: &RunChannels) -> Result<Vec<SubscriptionGuard>, SubscribeRefusal> {
        let deadline = Instant::now() + self.subscribe_timeout;
        // All are requested before the first is awaited, so that they share a round trip.
        let requested: Vec<_> =
            channels.channels().map(|channel| self.subscriptions.subscribe(channel)).collect();
        let mut guards = Vec::with_capacity(requested.len());
        for guard in requested {
            let answer = timeout_at(deadline, guard).await.ok().and_then(Result::ok);
            guards.push(answer.unwrap_or(Err(SubscribeRefusal::Unreachable))?);
        }
        Ok(guards)
    }
}
