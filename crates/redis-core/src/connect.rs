//! Connecting: one policy for all services.
//!
//! A connection starts in the background and never gives up: it retries 50 ms to 0.5 s apart. Its [`State`] says whether
//! it works, so that readiness can follow it. One-shot commands use [`connected_pool`], which fails instead.

use std::time::Duration;

use fred::clients::{Client, Pool, SubscriberClient};
use fred::interfaces::ClientLike;
use fred::types::config::{Config, ReconnectPolicy, TcpConfig};
use fred::types::{Builder, RespVersion};
use fred_socket2::TcpKeepalive;
use tokio::sync::watch;

use crate::error::{RedisError, reason};
use crate::needs::Needs;
use crate::state::{State, StateBoard};
use crate::{RedisConfig, check, follow, watcher};

/// A client of Redis and the state of its connections.
#[derive(Clone)]
pub struct Connection<C> {
    /// The client itself; cloning it shares its connections.
    pub client: C,
    /// Changes whenever Redis begins or ceases to do what the service needs.
    pub state: watch::Receiver<State>,
    board: StateBoard,
}

impl<C> Connection<C> {
    /// From now on the state also says whether Redis would do what the service needs, and whether it may evict keys.
    ///
    /// It is asked once a second on a connection of its own; nothing is written.
    #[must_use]
    pub fn check(self, config: &RedisConfig, needs: Needs) -> Self {
        let builder = builder(config.to_fred(), COMMAND_TIMEOUT, NO_EVENTS);
        tokio::spawn(check::run(builder, config.user(), needs, self.board.clone()));
        self
    }
}

/// Redis could not be reached, or refused the sign-in, at the first attempt.
#[derive(Debug, thiserror::Error)]
#[error("connect to redis at {server}: {}", reason(source))]
pub struct ConnectError {
    server: String,
    source: RedisError,
}

/// A pool for ordinary commands. A command waits at most 5 s for its answer.
///
/// # Errors
/// When the configuration cannot be used at all; an absent server is not an error here.
pub fn pool(config: &RedisConfig) -> Result<Connection<Pool>, ConnectError> {
    let pool = background(config, COMMAND_TIMEOUT, NO_EVENTS)
        .build_pool(config.pool_size())
        .map_err(|source| ConnectError { server: config.to_string(), source })?;
    Ok(start(config, pool.clone(), pool.clients()))
}

/// A pool that is connected already.
///
/// # Errors
/// When the first connect fails, with the server and the reason.
pub async fn connected_pool(config: &RedisConfig) -> Result<Pool, ConnectError> {
    let fail = |source| ConnectError { server: config.to_string(), source };
    let fred = Config { fail_fast: true, ..config.to_fred() };
    let pool =
        forever(builder(fred, COMMAND_TIMEOUT, NO_EVENTS)).build_pool(config.pool_size()).map_err(fail)?;
    pool.init().await.map_err(fail)?;
    Ok(pool)
}

/// A connection of its own for blocking commands, which may block for [`MAX_BLOCKING`] at most: a server that has not
/// answered some seconds later counts as lost.
///
/// # Errors
/// As [`pool`].
pub fn client(config: &RedisConfig) -> Result<Connection<Client>, ConnectError> {
    let client = background(config, MAX_BLOCKING + COMMAND_TIMEOUT, NO_EVENTS)
        .build()
        .map_err(|source| ConnectError { server: config.to_string(), source })?;
    let connection = Connection::new(client.clone(), std::slice::from_ref(&client));
    follow::start(config, std::slice::from_ref(&client));
    client.connect();
    Ok(connection)
}

/// A connection for a caller that subscribes by itself. Its channels hold `event_capacity` events and take about 700 bytes
/// for each from the start. A receiver that lags behind by more sees `Lagged`, never silence.
///
/// # Errors
/// As [`pool`].
pub fn listener(config: &RedisConfig, event_capacity: usize) -> Result<Connection<Client>, ConnectError> {
    let client = subscribing(config, event_capacity)
        .build()
        .map_err(|source| ConnectError { server: config.to_string(), source })?;
    Ok(start(config, client.clone(), std::slice::from_ref(&client)))
}

/// A subscriber, which subscribes again after every reconnect. Its channel holds [`EVENT_CAPACITY`] messages; a receiver
/// that lags behind by more sees `Lagged`: it has missed messages and must read the data again.
///
/// # Errors
/// As [`pool`].
pub fn subscriber(config: &RedisConfig) -> Result<Connection<SubscriberClient>, ConnectError> {
    let client = subscribing(config, EVENT_CAPACITY)
        .build_subscriber_client()
        .map_err(|source| ConnectError { server: config.to_string(), source })?;
    watcher::resubscribe(&client);
    Ok(start(config, client.clone(), std::slice::from_ref(&client)))
}

/// Messages that a [`subscriber`]'s channel holds before its slowest receiver lags: 6 MB.
pub const EVENT_CAPACITY: usize = 8_192;

/// The longest time that a command of a [`client`] may block.
pub const MAX_BLOCKING: Duration = Duration::from_secs(5);

/// A command that is not answered within this time has failed, and its connection counts as lost.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(5);

/// The capacity for a client's events about itself, where nobody subscribes: fred takes the memory for all of them at once.
const NO_EVENTS: usize = 32;

impl<C> Connection<C> {
    fn new<E: watcher::Watched>(client: C, connections: &[E]) -> Self {
        let (board, state) = StateBoard::new(connections.len());
        watcher::follow_events(connections, &board);
        Self { client, state, board }
    }
}

/// Starts a client whose connections are asked for a sign of life.
fn start<C: ClientLike, E: watcher::Watched>(
    config: &RedisConfig,
    client: C,
    connections: &[E],
) -> Connection<C> {
    let connection = Connection::new(client, connections);
    watcher::ping(connections, &connection.board);
    follow::start(config, connections);
    connection.client.connect();
    connection
}

fn background(config: &RedisConfig, command_timeout: Duration, event_capacity: usize) -> Builder {
    forever(builder(Config { fail_fast: false, ..config.to_fred() }, command_timeout, event_capacity))
}

/// RESP3, in which a connection that has subscribed may still be asked for a sign of life.
fn subscribing(config: &RedisConfig, event_capacity: usize) -> Builder {
    let config = Config { fail_fast: false, version: RespVersion::RESP3, ..config.to_fred() };
    forever(builder(config, COMMAND_TIMEOUT, event_capacity))
}

/// A client of this builder connects again whenever its connection is lost.
fn forever(mut builder: Builder) -> Builder {
    let mut policy = ReconnectPolicy::new_exponential(0, 50, 500, 2);
    policy.set_jitter(50);
    builder.set_policy(policy);
    builder
}

fn builder(config: Config, command_timeout: Duration, event_capacity: usize) -> Builder {
    let mut builder = Builder::from_config(config);
    builder
        .with_performance_config(|performance| {
            performance.default_command_timeout = command_timeout;
            performance.broadcast_channel_capacity = event_capacity;
        })
        .with_connection_config(|connection| {
            connection.connection_timeout = COMMAND_TIMEOUT;
            connection.internal_command_timeout = COMMAND_TIMEOUT;
            // A password that is wrong today may be right tomorrow: nothing is given up for good.
            connection.reconnect_on_auth_error = true;
            // A server that accepts commands and never answers counts as lost.
            connection.unresponsive.max_timeout = Some(command_timeout);
            connection.unresponsive.interval = Duration::from_secs(1);
            connection.tcp = tcp();
        });
    builder
}

/// The kernel finds a peer that vanished without a word: after 9 s on an idle connection, after 10 s with data under way.
fn tcp() -> TcpConfig {
    let keepalive = TcpKeepalive::new()
        .with_time(Duration::from_secs(3))
        .with_interval(Duration::from_secs(2))
        .with_retries(3);
    TcpConfig {
        nodelay: Some(true),
        keepalive: Some(keepalive),
        user_timeout: Some(Duration::from_secs(10)),
        ..TcpConfig::default()
    }
}
