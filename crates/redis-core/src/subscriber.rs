use std::collections::BTreeSet;
use std::sync::Arc;

use fred::clients::Client;
use fred::interfaces::PubsubInterface;
use fred::types::Message;
use fred::types::config::Server;
use parking_lot::Mutex;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};
use tokio::time::timeout;

use crate::pubsub::Link;
use crate::watcher::PING_INTERVAL;
use crate::{RedisError, State};

/// A connection that subscribes again after every reconnect, on a Cluster perhaps at another node.
///
/// Cloning shares it.
#[derive(Clone)]
pub struct Subscriber {
    link: Link,
    channels: Arc<Mutex<BTreeSet<String>>>,
}

impl Subscriber {
    pub(crate) fn new(link: Link) -> Self {
        let channels: Arc<Mutex<BTreeSet<String>>> = Arc::default();
        let (weak, used, mut connects) = (Arc::downgrade(&channels), link.clone(), link.reconnect_rx());
        tokio::spawn(async move {
            // No call of fred waits for the answer of a SUBSCRIBE. Redis may have refused it, so it is repeated, which changes
            // nothing where it is subscribed already.
            while !matches!(timeout(PING_INTERVAL, connects.recv()).await, Ok(Err(RecvError::Closed))) {
                let Some(channels) = weak.upgrade() else { return };
                let channels: Vec<String> = channels.lock().iter().cloned().collect();
                if !channels.is_empty() {
                    let _ = used.client().subscribe(channels).await;
                }
            }
        });
        Self { link, channels }
    }

    /// Subscribes to channels.
    ///
    /// # Errors
    /// When there is no connection. They are subscribed to at the next one then.
    pub async fn subscribe(&self, channels: Vec<String>) -> Result<(), RedisError> {
        self.channels.lock().extend(channels.iter().cloned());
        self.link.client().subscribe(channels).await
    }

    /// Ends subscriptions.
    ///
    /// # Errors
    /// When there is no connection, and all subscriptions have ended with it.
    pub async fn unsubscribe(&self, channels: Vec<String>) -> Result<(), RedisError> {
        self.channels.lock().retain(|channel| !channels.contains(channel));
        self.link.client().unsubscribe(channels).await
    }

    /// What is published from now on. A receiver that lags behind sees `Lagged`: it has missed messages and must read the data
    /// again.
    pub fn message_rx(&self) -> broadcast::Receiver<Message> {
        self.link.message_rx()
    }

    /// A value for each new connection. What was published before it is subscribed again is missed.
    pub fn reconnect_rx(&self) -> broadcast::Receiver<Server> {
        self.link.reconnect_rx()
    }

    /// The client of the present connection, for its other events.
    pub fn client(&self) -> Client {
        self.link.client()
    }

    /// Whether the connection works.
    pub fn state(&self) -> watch::Receiver<State> {
        self.link.state()
    }
}
