//! What Redis tells over Pub/Sub: hints, and events as they are published.

use fred::clients::SubscriberClient;
use fred::interfaces::{EventInterface, PubsubInterface};
use redis_core::{Channel, Connection};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::Store;
use crate::event::Event;
use crate::timeline::Hint;

impl Store {
    /// Listens for hints, and for published events while somebody wants them. Ends with the subscriber.
    pub(crate) async fn listen(&self, connection: &Connection<SubscriberClient>) -> anyhow::Result<()> {
        let (mut messages, mut state) = (self.subscriber.message_rx(), connection.state.clone());
        let changed = Channel::TimelineChanged.to_string();
        let published = Channel::TimelinePublished.to_string();
        let mut audience = tokio::time::interval(AUDIENCE_CHECK);
        let (mut has_channel, mut has_audience) = (false, false);
        loop {
            tokio::select! {
                message = messages.recv() => match message {
                    Ok(message) if message.channel == changed.as_str() => self.hint(message.value.as_str().as_deref()),
                    Ok(message) => self.announce(message.value.as_str().as_deref()),
                    Err(RecvError::Lagged(_)) => self.tell(Hint::Reset),
                    Err(RecvError::Closed) => return Ok(()),
                },
                stands = state.changed() => {
                    if stands.is_err() { return Ok(()) }
                    if state.borrow_and_update().is_ok() {
                        // The first time; after that the client subscribes again by itself.
                        has_channel = has_channel || self.subscriber.subscribe(&changed).await.is_ok();
                        // Whatever was said while nobody listened is found by looking.
                        self.tell(Hint::Posted);
                        self.tell(Hint::Lanes);
                    }
                }
                _ = audience.tick() => {
                    let wanted = self.published.receiver_count() > 0;
                    if wanted != has_audience {
                        let done = match wanted {
                            true => self.subscriber.subscribe(&published).await,
                            false => self.subscriber.unsubscribe(&published).await,
                        };
                        has_audience = if done.is_ok() { wanted } else { has_audience };
                    }
                }
            }
        }
    }

    fn hint(&self, payload: Option<&str>) {
        match payload {
            Some("posted") => self.tell(Hint::Posted),
            Some("lanes") => self.tell(Hint::Lanes),
            _ => self.tell(Hint::Reset),
        }
    }

    fn announce(&self, payload: Option<&str>) {
        let members: Vec<String> =
            payload.and_then(|payload| serde_json::from_str(payload).ok()).unwrap_or_default();
        for event in members.iter().filter_map(|member| Event::parse(member)) {
            // The last listener may have gone meanwhile.
            let _ = self.published.send(event);
        }
    }

    fn tell(&self, hint: Hint) {
        // Without a player there is nobody to tell.
        let _ = self.hints.send(hint);
    }

    pub(crate) fn hints(&self) -> broadcast::Receiver<Hint> {
        self.hints.subscribe()
    }

    pub(crate) fn published(&self) -> broadcast::Receiver<Event> {
        self.published.subscribe()
    }
}

const AUDIENCE_CHECK: std::time::Duration = std::time::Duration::from_millis(500);
