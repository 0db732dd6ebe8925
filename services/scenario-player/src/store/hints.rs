//! What other instances say over Pub/Sub: hints of changes, events as they are published, and that somebody listens to these.

use std::collections::HashMap;

use fred::interfaces::{PubsubInterface, TrackingInterface};
use redis_core::{Channel, Layout, RedisError};
use tokio::sync::broadcast::error::RecvError;

use super::client::Store;
use super::timeline_watch::TimelineWatch;
use crate::event::Event;
use crate::hint::Hint;
use crate::lanes::Lane;

impl Store {
    /// Passes on hints; and published events while there are subscribers of `/events`. Ends with the connection.
    pub(crate) async fn run_subscriber(&self) -> anyhow::Result<()> {
        let (mut messages, mut state) = (self.subscriber.message_rx(), self.subscriber.state());
        let (channels, mut watch) = (self.hint_channels(), TimelineWatch::of(self.redis.layout()));
        let mut writes = self.subscriber.client().invalidation_rx();
        let mut names: Vec<String> = channels.keys().cloned().collect();
        names.extend(self.is_on_cluster().then(|| Channel::TimelineListening.to_string()));
        let mut subscriber_check = tokio::time::interval(SUBSCRIBER_CHECK_INTERVAL);
        let mut gets_events = false;
        loop {
            tokio::select! {
                message = messages.recv() => match message {
                    Ok(message) => match channels.get(&*message.channel) {
                        Some(lane) => self.send_hint(*lane, Hint::of_payload(message.value.as_str().as_deref())),
                        None => self.on_other(&message.channel, message.value.as_str().as_deref()),
                    },
                    Err(RecvError::Lagged(_)) => self.send_to_all(Hint::Reset),
                    Err(RecvError::Closed) => return Ok(()),
                },
                changed = state.changed() => {
                    if changed.is_err() { return Ok(()) }
                    if state.borrow_and_update().is_ok() {
                        // If this fails, they are subscribed to by the next connection, and this comes again.
                        let _ = self.subscriber.subscribe(names.clone()).await;
                        // Hints may have been missed before the subscription, so look at the data.
                        self.send_to_all(Hint::Posted);
                        self.send_to_all(Hint::Partitions);
                        watch.start(&self.subscriber.client()).await;
                    }
                }
                // Where more than one was missed, one hint is as good.
                written = writes.recv(), if watch.is_possible() => match written {
                    Err(RecvError::Closed) => return Ok(()),
                    _ => {
                        watch.on_written();
                        self.send_to_all(Hint::Written);
                    }
                },
                () = watch.is_due() => {
                    watch.arm(&self.subscriber.client()).await;
                    // What was written before that, nobody told.
                    self.send_to_all(Hint::Written);
                }
                _ = subscriber_check.tick() => {
                    let has_subscribers = self.published.receiver_count() > 0;
                    if has_subscribers != gets_events && self.subscribe_to_events(has_subscribers).await.is_ok() {
                        gets_events = has_subscribers;
                    }
                    if has_subscribers {
                        self.tell_that_somebody_listens();
                    }
                }
            }
        }
    }

    /// The lane of each channel of hints.
    fn hint_channels(&self) -> HashMap<String, Lane> {
        self.lanes.iter().map(|lane| (self.hint_channel(lane), lane)).collect()
    }

    /// A message that is not a hint.
    fn on_other(&self, channel: &str, payload: Option<&str>) {
        if channel == Channel::TimelineListening.to_string() {
            return self.listeners.heard();
        }
        let members: Vec<String> =
            payload.and_then(|payload| serde_json::from_str(payload).ok()).unwrap_or_default();
        for event in members.iter().filter_map(|member| Event::parse(member)) {
            // This fails if the last subscriber has left in the meantime.
            let _ = self.published.send(event);
        }
    }

    fn send_to_all(&self, hint: Hint) {
        self.lanes.iter().for_each(|lane| self.send_hint(lane, hint));
    }

    /// Passes a hint on to the tasks of a lane.
    pub(crate) fn send_hint(&self, lane: Lane, hint: Hint) {
        // This fails if no task waits for hints, as while the process stops.
        let _ = self.hints[lane.number()].send(hint);
    }

    async fn subscribe_to_events(&self, subscribed: bool) -> Result<(), RedisError> {
        let channels = vec![Channel::TimelinePublished.to_string()];
        if subscribed {
            self.subscriber.subscribe(channels).await
        } else {
            self.subscriber.unsubscribe(channels).await
        }
    }

    /// On a Cluster, whose nodes know their own subscribers only.
    fn tell_that_somebody_listens(&self) {
        let channel = Channel::TimelineListening.to_string();
        if self.is_on_cluster()
            && let Some(publisher) = self.redis.publisher(&channel)
        {
            // If it is lost, the next one comes soon. Hints must not wait for it.
            tokio::spawn(async move { publisher.publish::<(), _, _>(channel, "").await });
        }
    }

    fn is_on_cluster(&self) -> bool {
        self.redis.layout() == Layout::Cluster
    }
}

/// How often it is checked whether `/events` has subscribers.
const SUBSCRIBER_CHECK_INTERVAL: std::time::Duration = std::time::Duration::from_millis(500);
