//! Subscribes by SSUBSCRIBE to the channels in use, and takes what is published on them by SPUBLISH.

use std::collections::HashSet;
use std::sync::Arc;

use redis_core::{ShardedEvent, ShardedPubSub};
use tokio::sync::mpsc;
use tracing::debug;

use crate::subscriber::LineRouter;
use crate::subscription_table::SubscriptionTable;
use crate::subscriptions::SubscriptionCommand;

/// See [the module](self).
pub(crate) struct ShardedSubscriber {
    pub(crate) pubsub: ShardedPubSub,
    pub(crate) events: mpsc::Receiver<ShardedEvent>,
    pub(crate) table: SubscriptionTable,
    pub(crate) router: LineRouter,
    /// What was requested of `pubsub`, which makes lost subscriptions again by itself.
    pub(crate) requested: HashSet<Arc<str>>,
}

impl ShardedSubscriber {
    /// Runs until all senders of commands are dropped.
    pub(crate) async fn run(mut self, mut commands: mpsc::UnboundedReceiver<SubscriptionCommand>) {
        loop {
            tokio::select! {
                biased;
                event = self.events.recv() => match event {
                    Some(event) => self.handle(event),
                    None => return,
                },
                command = commands.recv() => {
                    let Some(command) = command else { return };
                    self.table.apply(command);
                    while let Ok(command) = commands.try_recv() {
                        self.table.apply(command);
                    }
                    self.request();
                }
            }
        }
    }

    fn handle(&mut self, event: ShardedEvent) {
        match event {
            ShardedEvent::Message(message) => self.router.route(&message.into()),
            ShardedEvent::Subscribed { channel, has_missed } => {
                if has_missed {
                    self.router.announce_channel_gap(&channel);
                }
                self.table.allow(&channel);
                self.table.confirm(&channel);
                self.end_unless_used(channel);
            }
            ShardedEvent::Lost(channels) => channels.iter().for_each(|channel| self.table.lose(channel)),
            ShardedEvent::Forbidden(channel) => {
                debug!("user may not subscribe to {channel}: its viewers are refused");
                self.table.refuse(&channel);
                self.end_unless_used(channel);
            }
        }
    }

    /// Brings the requests in line with the table.
    fn request(&mut self) {
        for channel in self.table.pending() {
            if self.requested.insert(channel.clone()) {
                self.pubsub.subscribe(channel);
            }
        }
        for channel in self.table.take_unused() {
            self.end_unless_used(channel);
        }
    }

    fn end_unless_used(&mut self, channel: Arc<str>) {
        if !self.table.is_used(&channel) {
            self.requested.remove(&channel);
            self.pubsub.unsubscribe(channel);
        }
    }
}
