use bytes::Bytes;
use fred::types::Message;
use redis_core::{ConnectError, RedisError, State, Subscriber};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::watch;

use super::client::Store;

/// What arrives on the game server's log channels.
#[derive(Debug)]
pub enum ChannelEvent {
    /// The payload of a message.
    Message(Bytes),
    /// So many messages were dropped because they were not read fast enough.
    Missed(u64),
}

/// A subscription to the game server's log channels.
pub struct Subscription {
    subscriber: Subscriber,
    channels: Vec<String>,
    messages: Receiver<Message>,
}

impl Subscription {
    /// Connects in the background, on a Cluster to any node: each tells what is published on any.
    /// [`subscribe`](Self::subscribe) must be called once.
    ///
    /// # Errors
    /// When the configuration is invalid.
    pub fn connect(
        store: &Store,
        channels: &[String],
    ) -> Result<(Self, watch::Receiver<State>), ConnectError> {
        let subscriber = store.redis.subscriber()?;
        let (messages, state) = (subscriber.message_rx(), subscriber.state());
        Ok((Self { subscriber, channels: channels.to_vec(), messages }, state))
    }

    /// The names of the channels, for logs.
    pub fn channels(&self) -> String {
        self.channels.join(", ")
    }

    /// Subscribes to the channels. After a reconnect the client subscribes again by itself.
    pub async fn subscribe(&self) -> Result<(), RedisError> {
        self.subscriber.subscribe(self.channels.clone()).await
    }

    /// Ends the subscription.
    pub async fn unsubscribe(&self) -> Result<(), RedisError> {
        self.subscriber.unsubscribe(self.channels.clone()).await
    }

    /// Waits for the next event. `None` if the client has ended.
    pub async fn next(&mut self) -> Option<ChannelEvent> {
        loop {
            let event = match self.messages.recv().await {
                Ok(message) => self.event(message),
                Err(RecvError::Lagged(missed)) => Some(ChannelEvent::Missed(missed)),
                Err(RecvError::Closed) => return None,
            };
            if event.is_some() {
                return event;
            }
        }
    }

    /// The next event if it has arrived already.
    pub fn try_next(&mut self) -> Option<ChannelEvent> {
        loop {
            let event = match self.messages.try_recv() {
                Ok(message) => self.event(message),
                Err(TryRecvError::Lagged(missed)) => Some(ChannelEvent::Missed(missed)),
                Err(TryRecvError::Empty | TryRecvError::Closed) => return None,
            };
            if event.is_some() {
                return event;
            }
        }
    }

    fn event(&self, message: Message) -> Option<ChannelEvent> {
        let is_ours = self.channels.iter().any(|channel| *message.channel == **channel);
        is_ours.then(|| ChannelEvent::Message(message.value.into_bytes().unwrap_or_default()))
    }
}
