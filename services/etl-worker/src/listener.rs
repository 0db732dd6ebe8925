//! Messages to jobs. A message is a hint: [`crate::reconciler`] finds games whose message was lost.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use anyhow::Context;
use fred::clients::SubscriberClient;
use fred::interfaces::{EventInterface, PubsubInterface};
use fred::types::Message as Published;
use redis_core::id::GameToken;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::message::{self, Message};
use crate::metrics::Metrics;
use crate::store::{Enqueued, Store};

/// Hears that games ended.
pub struct Listener {
    /// Where jobs are made.
    pub store: Store,
    /// The connection that is subscribed.
    pub subscriber: SubscriberClient,
    /// The channel.
    pub channel: String,
    /// What it counts.
    pub metrics: Metrics,
}

impl Listener {
    /// Listens until `stopping`.
    ///
    /// # Errors
    /// When the client is gone.
    pub async fn run(self, stopping: CancellationToken) -> anyhow::Result<()> {
        let mut published = self.subscriber.message_rx();
        let mut subscribed = false;
        let mut recent = Recent::default();
        let mut waiting: Vec<GameToken> = Vec::new();
        while !stopping.is_cancelled() {
            if !subscribed {
                // Later connections are subscribed by the client.
                let attempt = self.subscriber.subscribe(self.channel.as_str());
                match timeout(PATIENCE, attempt).await {
                    Ok(Ok(())) => {
                        subscribed = true;
                        info!("listening on channel {}", self.channel);
                    }
                    Ok(Err(error)) => {
                        debug!("subscribe to {}: {}", self.channel, error.details());
                        let _ = timeout(PAUSE, stopping.cancelled()).await;
                        continue;
                    }
                    Err(_) => continue,
                }
            }
            if waiting.is_empty() {
                tokio::select! {
                    message = published.recv() => match message {
                        Ok(message) => waiting.extend(self.read(&message, &mut recent)),
                        Err(RecvError::Lagged(missed)) => warn!("missed {missed} messages; their games are found by their records"),
                        Err(RecvError::Closed) => anyhow::bail!("the subscriber is gone"),
                    },
                    () = stopping.cancelled() => break,
                }
            }
            while waiting.len() < PAGE {
                match published.try_recv() {
                    Ok(message) => waiting.extend(self.read(&message, &mut recent)),
                    Err(TryRecvError::Lagged(missed)) => {
                        warn!("missed {missed} messages; their games are found by their records")
                    }
                    Err(_) => break,
                }
            }
            if waiting.is_empty() {
                continue;
            }
            match self.store.enqueue(&waiting).await {
                Ok(answers) => self.count(waiting.drain(..).zip(answers)),
                Err(error) => {
                    debug!("make jobs: {}", error.details());
                    let _ = timeout(PAUSE, stopping.cancelled()).await;
                }
            }
        }
        self.subscriber.unsubscribe(self.channel.as_str()).await.context("unsubscribe").or_else(|error| {
            debug!("{error:#}");
            Ok(())
        })
    }

    /// The game that the message says has ended, unless that was heard just now.
    fn read(&self, published: &Published, recent: &mut Recent) -> Option<GameToken> {
        if *published.channel != *self.channel {
            return None;
        }
        let message = message::parse(published.value.as_bytes().unwrap_or_default());
        let kind = match &message {
            Ok(Message::Clean(_)) => "clean",
            Ok(Message::Other) => "other",
            Err(_) => "garbage",
        };
        self.metrics.messages.with_label_values(&[kind]).inc();
        match message {
            Ok(Message::Clean(game)) => recent.insert(&game).then_some(game),
            Ok(Message::Other) => None,
            Err(garbage) => {
                warn!("garbage on channel {}: {garbage}", self.channel);
                None
            }
        }
    }

    fn count(&self, answers: impl Iterator<Item = (GameToken, Enqueued)>) {
        for (game, answer) in answers {
            let result = match answer {
                Enqueued::Queued => "queued",
                Enqueued::Known => "known",
                Enqueued::Unknown => {
                    warn!(%game, "a message says that game {game} ended, of which Redis holds nothing");
                    "unknown"
                }
            };
            self.metrics.enqueued.with_label_values(&[result]).inc();
        }
    }
}

/// Games heard of lately: a game's players each send a message, and one is enough.
#[derive(Default)]
struct Recent {
    games: HashSet<GameToken>,
    order: VecDeque<GameToken>,
}

impl Recent {
    /// False if the game is here already.
    fn insert(&mut self, game: &GameToken) -> bool {
        if !self.games.insert(game.clone()) {
            return false;
        }
        self.order.push_back(game.clone());
        if self.order.len() > RECENT {
            let oldest = self.order.pop_front();
            oldest.map(|oldest| self.games.remove(&oldest));
        }
        true
    }
}

const PAGE: usize = 200;
const RECENT: usize = 4_096;
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_games_heard_of_lately_are_bounded() {
        let mut recent = Recent::default();
        let game = |n: usize| GameToken::parse(format!("g{n}")).unwrap();
        assert!(recent.insert(&game(0)));
        assert!(!recent.insert(&game(0)));
        (1..=RECENT).for_each(|n| assert!(recent.insert(&game(n))));
        assert_eq!(recent.games.len(), RECENT);
        assert!(recent.insert(&game(0)));
    }
}
