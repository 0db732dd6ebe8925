//! What other instances say over Pub/Sub: hints of changes, and events as they are published.

use fred::clients::SubscriberClient;
use fred::interfaces::{EventInterface, PubsubInterface, TrackingInterface};
use redis_core::{Channel, RedisError};
use tokio::sync::broadcast::error::RecvError;

use super::client::Store;
use super::timeline_watch::TimelineWatch;
use crate::event::Event;
use crate::hint::Hint;

impl Store {
    /// Passes on hints; and published events while there are subscribers of `/events`. Ends with the connection.
    pub(crate) async fn run_subscriber(&self) -> anyhow::Result<()> {
        let client = &self.subscriber.client;
        let (mut messages, mut state) = (client.message_rx(), self.subscriber.state.clone());
        let (mut writes, mut watch) = (client.invalidation_rx(), TimelineWatch::default());
        let hint_channel = Channel::TimelineChanged.to_string();
        let mut subscriber_check = tokio::time::interval(SUBSCRIBER_CHECK_INTERVAL);
        let (mut gets_hints, mut gets_events) = (false, false);
        loop {
            tokio::select! {
                message = messages.recv() => match message {
                    Ok(message) if message.channel == hint_channel.as_str() => {
                        self.on_hint(message.value.as_str().as_deref());
                    }
                    Ok(message) => self.on_published(message.value.as_str().as_deref()),
                    Err(RecvError::Lagged(_)) => self.send_hint(Hint::Reset),
                    Err(RecvError::Closed) => return Ok(()),
                },
                changed = state.changed() => {
                    if changed.is_err() { return Ok(()) }
                    if state.borrow_and_update().is_ok() {
                        // Only once: after a reconnect the client subscribes again by itself.
                        gets_hints = gets_hints || client.subscribe(&hint_channel).await.is_ok();
                        // Hints may have been missed before the subscription, so look at the data.
                        self.send_hint(Hint::Posted);
                        self.send_hint(Hint::Partitions);
                        watch.start(client).await;
                    }
                }
                // Where more than one was missed, one hint is as good.
                written = writes.recv() => match written {
                    Err(RecvError::Closed) => return Ok(()),
                    _ => {
                        watch.on_written();
                        self.send_hint(Hint::Written);
                    }
                },
                () = watch.is_due() => {
                    watch.arm(client).await;
                    // What was written before that, nobody told.
                    self.send_hint(Hint::Written);
                }
                _ = subscriber_check.tick() => {
                    let has_subscribers = self.published.receiver_count() > 0;
                    if has_subscribers != gets_events && subscribe_to_events(client, has_subscribers).await.is_ok() {
                        gets_events = has_subscribers;
                    }
                }
            }
        }
    }

    fn on_hint(&self, payload: Option<&str>) {
        match payload {
            Some("posted") => self.send_hint(Hint::Posted),
            Some("lanes") => self.send_hint(Hint::Partitions),
            _ => self.send_hint(Hint::Reset),
        }
    }

    fn on_published(&self, payload: Option<&str>) {
        let members: Vec<String> =
            payload.and_then(|payload| serde_json::from_str(payload).ok()).unwrap_or_default();
        for event in members.iter().filter_map(|member| Event::parse(member)) {
            // This fails if the last subscriber has left in the meantime.
            let _ = self.published.send(event);
        }
    }

    fn send_hint(&self, hint: Hint) {
        // This fails if no task waits for hints, as while the process stops.
        let _ = self.hints.send(hint);
    }
}

async fn subscribe_to_events(client: &SubscriberClient, subscribed: bool) -> Result<(), RedisError> {
    let channel = Channel::TimelinePublished.to_string();
    if subscribed { client.subscribe(channel).await } else { client.unsubscribe(channel).await }
}

/// How often it is checked whether `/events` has subscribers.
const SUBSCRIBER_CHECK_INTERVAL: std::time::Duration = std::time::Duration::from_millis(500);
