//! Everything that speaks Redis.
//!
//! There are two kinds of connections, however many viewers there are: one that subscribes, and a pool for everything
//! else.

mod events;
mod history;
mod missed;
mod needs;
mod page;
mod run_history;

use std::sync::Arc;
use std::time::Duration;

use fred::clients::Pool;
use fred::interfaces::PubsubInterface;
use redis_core::{
    Channel, ConnectError, Connection, PubSubConnection, RedisConfig, RedisError, State, connect,
};
use tokio::sync::watch;

pub(crate) use self::events::{PubSubEvent, PubSubEvents, PubSubMessage};
pub(crate) use self::history::HistoryStore;
#[cfg(test)]
pub(crate) use self::page::test_page;
pub(crate) use self::page::{PAGE_BYTES, StoredPage};

/// The most messages that wait to be taken from the subscribing connection; 11 MB are allocated for them. More are
/// dropped, and announced as a gap.
pub(crate) const EVENT_CAPACITY: usize = 16_384;

/// Redis, as status-proxy uses it.
pub(crate) struct Store {
    pub(crate) pubsub: PubSubConnection,
    pub(crate) history: HistoryStore,
    pool: Connection<Pool>,
    instance: String,
}

impl Store {
    /// Starts to connect in the background. The events begin with the first connection. `recorded_age`: with history in Redis,
    /// how long a channel is kept there after its last line.
    ///
    /// # Errors
    /// When the configuration is wrong. An absent server is not an error here.
    pub(crate) fn new(
        config: &RedisConfig,
        instance: String,
        recorded_age: Option<Duration>,
    ) -> Result<(Self, PubSubEvents), ConnectError> {
        let subscriber = connect::listener(config, EVENT_CAPACITY)?;
        let events = PubSubEvents::new(&subscriber);
        let needs = needs::needs(&instance, recorded_age.is_some());
        let pool = connect::pool(config)?.check(config, needs);
        let store = Self {
            pubsub: PubSubConnection::new(subscriber),
            history: HistoryStore::new(
                pool.client.clone(),
                instance.clone(),
                recorded_age.unwrap_or_default(),
            ),
            pool,
            instance,
        };
        Ok((store, events))
    }

    /// Whether Redis does what this instance needs.
    pub(crate) fn pool_state(&self) -> watch::Receiver<State> {
        self.pool.state.clone()
    }

    /// The channel on which this instance publishes to itself.
    pub(crate) fn probe_channel(&self) -> Arc<str> {
        Channel::StatusProbe(&self.instance).to_string().into()
    }

    /// The pattern of every channel that can be a status channel.
    pub(crate) fn every_channel(&self) -> String {
        Channel::StatusPattern.to_string()
    }

    /// The channel on which all instances publish epochs.
    pub(crate) fn epochs_channel(&self) -> Arc<str> {
        Channel::StatusEpochs.to_string().into()
    }

    pub(crate) async fn publish_probe(&self) -> Result<(), RedisError> {
        let client = self.pool.client.next();
        client.publish::<(), _, _>(Channel::StatusProbe(&self.instance).to_string(), "probe").await
    }
}
