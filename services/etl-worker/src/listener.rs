//! Turns messages into jobs. A message is only a hint: [`crate::reconciler`] finds the games whose message was lost.

use std::time::Duration;

use redis_core::error::{RETRY_INTERVAL_MS, reason};
use redis_core::id::GameToken;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::message::{self, Message};
use crate::metrics::Metrics;
use crate::recent_games::{RecentGames, warn_unreadable};
use crate::stop::Stop;
use crate::store::{ChannelEvent, Enqueued, Store, Subscription};

/// Receives the messages that say a game ended, and creates a job for each game.
pub struct Listener {
    /// Where jobs are created.
    pub store: Store,
    /// The subscription to the game server's log channels.
    pub subscription: Subscription,
    /// The messages and jobs are counted here.
    pub metrics: Metrics,
}

impl Listener {
    /// Listens until the process stops.
    ///
    /// # Errors
    /// When the subscription's client has ended.
    pub async fn run(mut self, stop: Stop) -> anyhow::Result<()> {
        stop.complete(self.listen(&stop.stopping)).await.unwrap_or(Ok(()))
    }

    async fn listen(&mut self, stopping: &CancellationToken) -> anyhow::Result<()> {
        let mut recent = RecentGames::default();
        // Games whose job is not created yet. They stay here while Redis is away.
        let mut pending: Vec<GameToken> = Vec::new();
        if !self.subscribe(stopping).await {
            return Ok(());
        }
        loop {
            if pending.is_empty() {
                tokio::select! {
                    biased;
                    () = stopping.cancelled() => break,
                    event = self.subscription.next() => match event {
                        Some(event) => pending.extend(self.ended_game(event, &mut recent)),
                        None => anyhow::bail!("the subscriber has ended"),
                    },
                }
            }
            while pending.len() < MAX_BATCH
                && let Some(event) = self.subscription.try_next()
            {
                pending.extend(self.ended_game(event, &mut recent));
            }
            if pending.is_empty() {
                continue;
            }
            match self.store.enqueue(&pending).await {
                Ok(results) => {
                    let (away, done): (Vec<_>, Vec<_>) =
                        pending.drain(..).zip(results).partition(|(_, result)| *result == Enqueued::Away);
                    self.count(done);
                    pending.extend(away.into_iter().map(|(game, _)| game));
                    if !pending.is_empty() {
                        sleep(RETRY_DELAY).await;
                    }
                }
                Err(error) => {
                    debug!("create jobs: {}", reason(&error));
                    sleep(RETRY_DELAY).await;
                }
            }
        }
        if let Err(error) = self.subscription.unsubscribe().await {
            debug!("unsubscribe: {}", reason(&error));
        }
        Ok(())
    }

    /// Subscribes, however long it takes. False if `stopping` was cancelled before that.
    async fn subscribe(&self, stopping: &CancellationToken) -> bool {
        let channels = self.subscription.channels();
        while !stopping.is_cancelled() {
            match timeout(SUBSCRIBE_TIMEOUT, self.subscription.subscribe()).await {
                Ok(Ok(())) => {
                    info!("listening on channel {channels}");
                    return true;
                }
                Ok(Err(error)) => {
                    debug!("subscribe to {channels}: {}", reason(&error));
                    let _ = timeout(RETRY_DELAY, stopping.cancelled()).await;
                }
                Err(_) => {}
            }
        }
        false
    }

    /// The game that ended according to this event, unless another message just said the same.
    fn ended_game(&self, event: ChannelEvent, recent: &mut RecentGames) -> Option<GameToken> {
        let payload = match event {
            ChannelEvent::Message(payload) => payload,
            ChannelEvent::Missed(count) => {
                warn!("missed {count} messages; the reconciler finds their games");
                return None;
            }
        };
        let message = message::parse(&payload, &self.store.dataset().end);
        let kind = match &message {
            Ok(Message::Ended(_)) => "clean",
            Ok(Message::Other) => "other",
            Err(_) => "garbage",
        };
        self.metrics.messages.with_label_values(&[kind]).inc();
        match message {
            Ok(Message::Ended(game)) => recent.insert(&game).then_some(game),
            Ok(Message::Other) => None,
            Err(reason) => {
                warn!("ignored a message on channel {}: {reason}", self.subscription.channels());
                None
            }
        }
    }

    fn count(&self, results: Vec<(GameToken, Enqueued)>) {
        for (game, result) in results {
            let label = match result {
                Enqueued::Queued => "queued",
                Enqueued::Known => "known",
                Enqueued::Unknown => {
                    warn!(%game, "a message says that game {game} ended, but Redis has no record of it");
                    "unknown"
                }
                Enqueued::Unreadable => {
                    warn_unreadable(&game);
                    "unreadable"
                }
                Enqueued::Away => continue,
            };
            self.metrics.enqueued.with_label_values(&[label]).inc();
        }
    }
}

/// Games that are enqueued in one round trip.
const MAX_BATCH: usize = 200;
const SUBSCRIBE_TIMEOUT: Duration = Duration::from_secs(5);
const RETRY_DELAY: Duration = Duration::from_millis(RETRY_INTERVAL_MS);
