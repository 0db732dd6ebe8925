//! Waits for all that a client needs before it can watch some channels.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use crate::history_reader::HistoryReader;
use crate::hub::Hub;
use crate::resume::ResumeRequest;
use crate::run_channels::RunChannels;
use crate::shard::{ChannelSubscription, PreparedViewer};
use crate::subscriptions::{ChannelGuard, SubscribeRefusal, Subscribed, Subscriptions};

/// See [the module](self).
pub(crate) struct Preparer {
    pub(crate) hub: Hub,
    /// To what is published by PUBLISH.
    pub(crate) subscriptions: Subscriptions,
    /// To what is published by SPUBLISH, if that is listened to.
    pub(crate) sharded: Option<Subscriptions>,
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
        if self.sharded.is_some() && channels.is_whole_run() {
            return Err(SubscribeRefusal::WholeRun);
        }
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
    async fn subscribe(&self, channels: &RunChannels) -> Result<Vec<ChannelGuard>, SubscribeRefusal> {
        let deadline = Instant::now() + self.subscribe_timeout;
        let request = |channel: &str| {
            let sharded = self.sharded.as_ref().map(|sharded| sharded.subscribe(channel));
            (self.subscriptions.subscribe(channel), sharded)
        };
        let confirmed = async |requested: oneshot::Receiver<Subscribed>| {
            let answer = timeout_at(deadline, requested).await.ok().and_then(Result::ok);
            answer.unwrap_or(Err(SubscribeRefusal::Unreachable))
        };
        // All are requested before the first is awaited, so that they share a round trip.
        let requested: Vec<_> = channels.channels().map(request).collect();
        let mut guards = Vec::with_capacity(requested.len());
        for (plain, sharded) in requested {
            let plain = confirmed(plain).await?;
            let sharded = match sharded {
                Some(sharded) => Some(confirmed(sharded).await?),
                None => None,
            };
            guards.push(ChannelGuard { _plain: plain, _sharded: sharded });
        }
        Ok(guards)
    }
}
