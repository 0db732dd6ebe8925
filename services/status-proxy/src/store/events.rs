//! What the subscribing connection reports: its state, and the messages of its channels.

use std::sync::Arc;

use fred::types::config::Server;
use fred::types::{Message, MessageKind};
use redis_core::{PubSubConnection, State};
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::{broadcast, watch};

use super::page::text;

/// An event of the subscribing connection.
pub(crate) enum PubSubEvent {
    /// It is connected anew, and has no subscriptions yet.
    Connected,
    /// It was lost, or is up again.
    StateChanged(State),
    Message(PubSubMessage),
    /// This many messages were dropped, because they arrived faster than they were taken.
    Lagged(u64),
    /// There will be no further event.
    Closed,
}

/// The events of the subscribing connection, from its first moment on.
pub(crate) struct PubSubEvents {
    messages: broadcast::Receiver<Message>,
    connects: broadcast::Receiver<Server>,
    state: watch::Receiver<State>,
}

impl PubSubEvents {
    pub(super) fn new(pubsub: &PubSubConnection) -> Self {
        Self { messages: pubsub.message_rx(), connects: pubsub.reconnect_rx(), state: pubsub.state() }
    }

    /// The next event: changes of the connection before messages. Cancelling this loses none.
    pub(crate) async fn next(&mut self) -> PubSubEvent {
        tokio::select! {
            biased;
            _ = self.connects.recv() => PubSubEvent::Connected,
            Ok(()) = self.state.changed() => PubSubEvent::StateChanged(self.state.borrow_and_update().clone()),
            message = self.messages.recv() => match message {
                Ok(message) => PubSubEvent::Message(PubSubMessage(message)),
                Err(RecvError::Lagged(count)) => PubSubEvent::Lagged(count),
                Err(RecvError::Closed) => PubSubEvent::Closed,
            },
        }
    }

    /// The next message, or how many were dropped before it; `None` if none has arrived.
    pub(crate) fn try_next_message(&mut self) -> Option<Result<PubSubMessage, u64>> {
        match self.messages.try_recv() {
            Ok(message) => Some(Ok(PubSubMessage(message))),
            Err(TryRecvError::Lagged(count)) => Some(Err(count)),
            Err(TryRecvError::Empty | TryRecvError::Closed) => None,
        }
    }

    /// Waits for the first of these epochs, and adds the messages that came before it to `earlier`. Cancelling this loses
    /// none.
    ///
    /// # Errors
    /// When messages were dropped meanwhile, or there are no further ones.
    pub(crate) async fn messages_before(
        &mut self,
        channel: &str,
        epochs: &[u64],
        earlier: &mut Vec<PubSubMessage>,
    ) -> Result<u64, RecvError> {
        loop {
            let message = PubSubMessage(self.messages.recv().await?);
            match message.epoch().filter(|epoch| message.channel() == channel && epochs.contains(epoch)) {
                Some(epoch) => return Ok(epoch),
                None => earlier.push(message),
            }
        }
    }
}

/// A message that was published on a subscribed channel.
#[derive(Clone)]
pub(crate) struct PubSubMessage(Message);

impl From<Message> for PubSubMessage {
    fn from(message: Message) -> Self {
        Self(message)
    }
}

impl PubSubMessage {
    #[cfg(test)]
    pub(crate) fn for_test(channel: &'static str, text: &'static str) -> Self {
        let server = Server::new("localhost", 6379);
        Self(Message { channel: channel.into(), value: text.into(), kind: MessageKind::Message, server })
    }

    /// The same as it comes by the subscription of a pattern.
    #[cfg(test)]
    pub(crate) fn by_pattern(mut self) -> Self {
        self.0.kind = MessageKind::PMessage;
        self
    }

    pub(crate) fn channel(&self) -> &str {
        &self.0.channel
    }

    /// Whether it came by the subscription of a pattern, not by that of its channel.
    pub(crate) fn is_by_pattern(&self) -> bool {
        self.0.kind == MessageKind::PMessage
    }

    /// Whether both say the same on the same channel.
    pub(crate) fn is_same_as(&self, other: &Self) -> bool {
        self.0.channel == other.0.channel && self.0.value == other.0.value
    }

    /// Its text. Bytes that are not UTF-8 become U+FFFD.
    pub(crate) fn text(&self) -> Arc<str> {
        text(&self.0.value)
    }

    /// The epoch that it announces, if it is from the channel of epochs.
    pub(crate) fn epoch(&self) -> Option<u64> {
        self.0.value.as_str().and_then(|text| text.parse().ok())
    }
}
