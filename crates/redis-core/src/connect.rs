//! Connecting: one policy for all services.
//!
//! A connection starts in the background and never gives up: it retries 50 ms to 0.5 s apart. Its [`State`] says whether
//! it works, so that readiness can follow it. One-shot commands use [`connected`], which fails instead.
//!
//! All of these lead to a single server. [`Redis`](crate::Redis) is for either: one server, or a Cluster.

use std::sync::Arc;
use std::time::Duration;

use fred::clients::{Client, Pool, SubscriberClient};
use fred::error::ErrorKind;
use fred::interfaces::ClientLike;
use fred::types::config::Config;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use crate::builder::{COMMAND_TIMEOUT, NO_EVENTS, background, builder, forever, subscribing};
use crate::error::{RedisError, hint, reason};
use crate::needs::Needs;
use crate::state::{Source, State, StateBoard};
use crate::{RedisConfig, check, follow, watcher};

/// A client of Redis and the state of its connections.
#[derive(Clone)]
pub struct Connection<C> {
    /// The client itself; cloning it shares its connections.
    pub client: C,
    /// Changes whenever Redis begins or ceases to do what the service needs.
    pub state: watch::Receiver<State>,
    board: StateBoard,
    fred: Config,
    /// fred's tasks, one for each connection that was started here.
    tasks: Arc<[AbortHandle]>,
}

impl<C: ClientLike> Connection<C> {
    /// Ends the connections. What still waits for an answer after a moment fails.
    pub async fn close(&self) {
        let _ = timeout(CLOSE_TIMEOUT, self.client.quit()).await;
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

impl<C> Connection<C> {
    /// From now on the state also says whether Redis would do what the service needs, and whether it may evict keys.
    ///
    /// It is asked once a second on a connection of its own; nothing is written.
    #[must_use]
    pub fn check(self, config: &RedisConfig, needs: Needs) -> Self {
        let builder = builder(self.fred.clone(), COMMAND_TIMEOUT, NO_EVENTS);
        let user = self.fred.username.clone().unwrap_or_else(|| "default".to_owned());
        tokio::spawn(check::run(builder, config.clone(), user, needs, self.board.clone()));
        self
    }
}

/// Redis could not be reached, or refused the sign-in, at the first attempt.
#[derive(Debug, thiserror::Error)]
#[error("connect to redis at {server}: {reason}")]
pub struct ConnectError {
    server: String,
    reason: String,
}

impl ConnectError {
    pub(crate) fn new(config: &RedisConfig, error: &RedisError) -> Self {
        Self::because(config, reason(error))
    }

    pub(crate) fn because(config: &RedisConfig, reason: impl ToString) -> Self {
        Self { server: config.to_string(), reason: reason.to_string() }
    }
}

impl From<ConnectError> for RedisError {
    fn from(error: ConnectError) -> Self {
        Self::new(ErrorKind::Config, error.to_string())
    }
}

/// A pool for ordinary commands. A command waits at most 5 s for its answer.
///
/// # Errors
/// When the configuration cannot be used at all; an absent server is not an error here.
pub fn pool(config: &RedisConfig) -> Result<Connection<Pool>, ConnectError> {
    let fred = fred_config(config)?;
    let pool = forever(background(&fred, COMMAND_TIMEOUT, NO_EVENTS))
        .build_pool(config.pool_size())
        .map_err(|error| ConnectError::new(config, &error))?;
    Ok(start(config, fred, pool.clone(), pool.clients()))
}

/// A pool that is connected already. As long as its state is kept, its connections are asked for a sign of life.
///
/// # Errors
/// When the first connect fails, with the server and the reason.
pub async fn connected(config: &RedisConfig) -> Result<Connection<Pool>, ConnectError> {
    let fred = Config { fail_fast: true, ..fred_config(config)? };
    let uses_tls = fred.uses_tls();
    let fail = |error| ConnectError::because(config, reason(&error) + hint(uses_tls, &error));
    let pool = forever(builder(fred.clone(), COMMAND_TIMEOUT, NO_EVENTS))
        .build_pool(config.pool_size())
        .map_err(fail)?;
    pool.init().await.map_err(fail)?;
    let connection = Connection::new(config, fred, pool.clone(), pool.clients());
    for number in 0..pool.clients().len() {
        connection.board.set(Source::Connection(number), Ok(None));
    }
    watcher::ping(pool.clients(), config, &connection.board, Duration::ZERO);
    Ok(connection)
}

/// A connection of its own for blocking commands, which may block for [`MAX_BLOCKING`] at most: a server that has not
/// answered some seconds later counts as lost.
///
/// # Errors
/// As [`pool`].
pub fn client(config: &RedisConfig) -> Result<Connection<Client>, ConnectError> {
    let fred = fred_config(config)?;
    let client = forever(background(&fred, MAX_BLOCKING + COMMAND_TIMEOUT, NO_EVENTS))
        .build()
        .map_err(|error| ConnectError::new(config, &error))?;
    let connection = Connection::new(config, fred, client.clone(), std::slice::from_ref(&client));
    watcher::ping(std::slice::from_ref(&client), config, &connection.board, MAX_BLOCKING);
    Ok(connection.started(std::slice::from_ref(&client)))
}

/// A connection for a caller that subscribes by itself. Its channels hold `event_capacity` events and take about 700 bytes
/// for each from the start. A receiver that lags behind by more sees `Lagged`, never silence.
///
/// # Errors
/// As [`pool`].
pub fn listener(config: &RedisConfig, event_capacity: usize) -> Result<Connection<Client>, ConnectError> {
    let fred = fred_config(config)?;
    let client = forever(subscribing(&fred, event_capacity))
        .build()
        .map_err(|error| ConnectError::new(config, &error))?;
    Ok(start(config, fred, client.clone(), std::slice::from_ref(&client)))
}

/// A subscriber, which subscribes again after every reconnect. Its channel holds [`EVENT_CAPACITY`] messages; a receiver
/// that lags behind by more sees `Lagged`: it has missed messages and must read the data again.
///
/// # Errors
/// As [`pool`].
pub fn subscriber(config: &RedisConfig) -> Result<Connection<SubscriberClient>, ConnectError> {
    let fred = fred_config(config)?;
    let client = forever(subscribing(&fred, EVENT_CAPACITY))
        .build_subscriber_client()
        .map_err(|error| ConnectError::new(config, &error))?;
    watcher::resubscribe(&client);
    Ok(start(config, fred, client.clone(), std::slice::from_ref(&client)))
}

/// Messages that a [`subscriber`]'s channel holds before its slowest receiver lags: 6 MB.
pub const EVENT_CAPACITY: usize = 8_192;

/// After this time connections that are to end are cut.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// The longest time that a command of a [`client`] may block.
pub const MAX_BLOCKING: Duration = Duration::from_secs(5);

fn fred_config(config: &RedisConfig) -> Result<Config, ConnectError> {
    if config.is_cluster() {
        return Err(ConnectError::because(config, "a single server is needed here, not a Redis Cluster"));
    }
    config.to_fred().map_err(|error| ConnectError::because(config, error))
}

impl<C> Connection<C> {
    fn new<E: watcher::Watched>(config: &RedisConfig, fred: Config, client: C, connections: &[E]) -> Self {
        let (board, state) = StateBoard::new(connections.len());
        watcher::follow_events(connections, config, &fred, &board);
        follow::start(&fred, connections, &board);
        Self { client, state, board, fred, tasks: Arc::default() }
    }

    /// Starts fred's tasks.
    fn started<E: ClientLike>(self, connections: &[E]) -> Self {
        let tasks = connections.iter().map(|connection| connection.connect().abort_handle()).collect();
        Self { tasks, ..self }
    }
}

/// Starts a client whose connections are asked for a sign of life.
fn start<C: ClientLike, E: watcher::Watched>(
    config: &RedisConfig,
    fred: Config,
    client: C,
    connections: &[E],
) -> Connection<C> {
    let connection = Connection::new(config, fred, client, connections);
    watcher::ping(connections, config, &connection.board, Duration::ZERO);
    connection.started(connections)
}
