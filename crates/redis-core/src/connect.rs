//! Connecting: one policy for all services.
//!
//! A connection starts in the background and never gives up: exponential backoff from 50 ms to 0.5 s. Its [`State`] says
//! whether it stands, so that readiness can follow it. One-shot commands use [`connected_pool`], which fails instead.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use fred::clients::{Client, Pool, SubscriberClient};
use fred::error::Error;
use fred::interfaces::{ClientLike, EventInterface};
use fred::types::Builder;
use fred::types::config::{Config, ReconnectPolicy, TcpConfig};
use parking_lot::Mutex;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;

use crate::RedisConfig;

/// `Ok` while every connection of the client stands, otherwise the reason of the last that does not.
pub type State = Result<(), String>;

/// A client of Redis and the state of its connections.
#[derive(Clone)]
pub struct Connection<C> {
    /// The client itself; cloning it shares its connections.
    pub client: C,
    /// Changes whenever a connection is lost or stands again.
    pub state: watch::Receiver<State>,
}

/// Redis could not be reached, or refused the sign-in, at the first attempt.
#[derive(Debug, thiserror::Error)]
#[error("connect to redis at {server}: {}", source.details())]
pub struct ConnectError {
    server: String,
    source: Error,
}

/// A pool for ordinary commands. A command waits at most 5 s for its answer.
///
/// # Errors
/// When the configuration cannot be used at all; an absent server is not an error here.
pub fn pool(config: &RedisConfig) -> Result<Connection<Pool>, ConnectError> {
    let pool = background(config, COMMAND_TIMEOUT, NO_EVENTS)
        .build_pool(config.pool_size())
        .map_err(|source| ConnectError { server: config.to_string(), source })?;
    Ok(start(pool.clone(), pool.clients()))
}

/// A pool that is connected already.
///
/// # Errors
/// When the first connect fails, with the server and the reason.
pub async fn connected_pool(config: &RedisConfig) -> Result<Pool, ConnectError> {
    let fail = |source| ConnectError { server: config.to_string(), source };
    let fred = Config { fail_fast: true, ..config.to_fred() };
    let pool = builder(fred, COMMAND_TIMEOUT, NO_EVENTS).build_pool(config.pool_size()).map_err(fail)?;
    pool.init().await.map_err(fail)?;
    Ok(pool)
}

/// A connection of its own for blocking commands: no answer is ever too late for it, so the caller bounds its waits.
///
/// # Errors
/// As [`pool`].
pub fn client(config: &RedisConfig) -> Result<Connection<Client>, ConnectError> {
    listener(config, NO_EVENTS)
}

/// As [`client`], for a caller that subscribes by itself: its channels hold so many events, for which they take about
/// 700 bytes each from the start. A receiver that lags behind by more sees `Lagged`, never silence.
///
/// # Errors
/// As [`pool`].
pub fn listener(config: &RedisConfig, event_capacity: usize) -> Result<Connection<Client>, ConnectError> {
    let client = background(config, Duration::ZERO, event_capacity)
        .build()
        .map_err(|source| ConnectError { server: config.to_string(), source })?;
    Ok(start(client.clone(), std::slice::from_ref(&client)))
}

/// A subscriber: subscriptions are made again after every reconnect. Its channel holds [`EVENT_CAPACITY`] messages; a
/// receiver that lags beyond that sees `Lagged`, which is a gap to be read again, never silence.
///
/// # Errors
/// As [`pool`].
pub fn subscriber(config: &RedisConfig) -> Result<Connection<SubscriberClient>, ConnectError> {
    let client = background(config, COMMAND_TIMEOUT, EVENT_CAPACITY)
        .build_subscriber_client()
        .map_err(|source| ConnectError { server: config.to_string(), source })?;
    let state = watch_state(std::slice::from_ref(&client));
    client.manage_subscriptions();
    client.connect();
    Ok(Connection { client, state })
}

/// Messages that a [`subscriber`]'s channel holds before its slowest receiver lags: 6 MB.
pub const EVENT_CAPACITY: usize = 8_192;

const COMMAND_TIMEOUT: Duration = Duration::from_secs(5);

/// What a connection needs for news of itself, where nobody subscribes: fred takes the room for all events at once.
const NO_EVENTS: usize = 32;

fn background(config: &RedisConfig, command_timeout: Duration, event_capacity: usize) -> Builder {
    builder(Config { fail_fast: false, ..config.to_fred() }, command_timeout, event_capacity)
}

fn builder(config: Config, command_timeout: Duration, event_capacity: usize) -> Builder {
    let mut builder = Builder::from_config(config);
    let mut policy = ReconnectPolicy::new_exponential(0, 50, 500, 2);
    policy.set_jitter(50);
    builder
        .set_policy(policy)
        .with_performance_config(|performance| {
            performance.default_command_timeout = command_timeout;
            performance.broadcast_channel_capacity = event_capacity;
        })
        .with_connection_config(|connection| {
            connection.connection_timeout = COMMAND_TIMEOUT;
            connection.internal_command_timeout = COMMAND_TIMEOUT;
            // A password that is wrong today may be right tomorrow: nothing is given up for good.
            connection.reconnect_on_auth_error = true;
            // A server that accepts and never answers counts as lost, unless commands may block.
            connection.unresponsive.max_timeout = (!command_timeout.is_zero()).then_some(command_timeout);
            connection.unresponsive.interval = Duration::from_secs(1);
            connection.tcp = TcpConfig { nodelay: Some(true), ..TcpConfig::default() };
        });
    builder
}

fn start<C: ClientLike>(client: C, connections: &[Client]) -> Connection<C> {
    let state = watch_state(connections);
    client.connect();
    Connection { client, state }
}

/// Follows each connection's events; the reasons of those that are down are kept by their place.
fn watch_state<C: EventInterface>(connections: &[C]) -> watch::Receiver<State> {
    let (sender, receiver) = watch::channel(Err("not connected yet".to_owned()));
    let sender = Arc::new(sender);
    let waiting = (0..connections.len()).map(|place| (place, "not connected yet".to_owned()));
    let down = Arc::new(Mutex::new(waiting.collect::<BTreeMap<usize, String>>()));
    for (place, connection) in connections.iter().enumerate() {
        let (mut errors, mut connects) = (connection.error_rx(), connection.reconnect_rx());
        let (sender, down) = (Arc::clone(&sender), Arc::clone(&down));
        tokio::spawn(async move {
            loop {
                let reason = tokio::select! {
                    event = connects.recv() => match event {
                        Err(RecvError::Closed) => return,
                        _ => None,
                    },
                    event = errors.recv() => match event {
                        Ok((error, _)) => Some(error.details().to_owned()),
                        Err(RecvError::Lagged(_)) => continue,
                        Err(RecvError::Closed) => return,
                    },
                };
                let mut down = down.lock();
                match reason {
                    Some(reason) => down.insert(place, reason),
                    None => down.remove(&place),
                };
                let state = down.values().next_back().map_or(Ok(()), |reason| Err(reason.clone()));
                sender.send_if_modified(|old| {
                    let changed = *old != state;
                    *old = state;
                    changed
                });
            }
        });
    }
    receiver
}
