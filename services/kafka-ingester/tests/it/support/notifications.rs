//! What is published in Redis.

use std::time::Duration;

use fred::clients::Client;
use fred::interfaces::{ClientLike, EventInterface, PubsubInterface};
use fred::types::Builder;
use fred::types::config::Config;
use test_support::is_full_size;

/// A subscriber whose queue is large enough to miss nothing.
pub(crate) struct Notifications {
    messages: tokio::sync::broadcast::Receiver<fred::types::Message>,
    client: Client,
}

impl Notifications {
    /// Subscribes to a pattern of channels.
    pub(crate) async fn subscribe(redis_url: &str, pattern: &str) -> Self {
        let notifications = Self::connect(redis_url).await;
        notifications.client.psubscribe(pattern).await.unwrap();
        notifications
    }

    /// Subscribes to what is published on a channel by SPUBLISH, at the shard that has its slot.
    pub(crate) async fn subscribe_sharded(redis_url: &str, channel: &str) -> Self {
        let notifications = Self::connect(redis_url).await;
        notifications.client.ssubscribe(channel).await.unwrap();
        notifications
    }

    async fn connect(redis_url: &str) -> Self {
        let mut builder = Builder::from_config(Config::from_url(redis_url).unwrap());
        // Making a queue takes a microsecond for each place, and fred makes several.
        let capacity = if is_full_size("KAFKA_INGESTER_TEST_FULL") { 2_000_000 } else { 1 << 16 };
        builder.with_performance_config(|performance| performance.broadcast_channel_capacity = capacity);
        let client = builder.build().unwrap();
        client.init().await.unwrap();
        Self { messages: client.message_rx(), client }
    }

    /// Channel and text of the next notification.
    pub(crate) async fn next(&mut self) -> (String, String) {
        let message = tokio::time::timeout(Duration::from_secs(60), self.messages.recv()).await;
        let message = message.expect("a notification comes").unwrap();
        (message.channel.to_string(), message.value.as_string().unwrap())
    }

    /// How many have come that [`Notifications::next`] has not returned yet.
    pub(crate) fn pending_count(&self) -> usize {
        self.messages.len()
    }
}
