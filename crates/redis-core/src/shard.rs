use std::fmt;
use std::sync::Arc;

use fred::clients::{Client, Pool};
use fred::interfaces::ClientLike;
use fred::types::CustomCommand;
use fred::types::config::Server;
use tokio::sync::{Mutex, watch};

use crate::{Connection, RedisConfig, RedisError, State, connect};

/// One primary of a Redis Cluster with its pool of connections; or one Redis, which has all keys.
///
/// Cloning shares it. It is closed when the primary has no slots any more: its commands fail then, and
/// [`Redis::shard_of`](crate::Redis::shard_of) names another.
#[derive(Clone)]
pub struct Shard(Arc<Inner>);

struct Inner {
    /// `None`: it is not a node of a Cluster.
    server: Option<Server>,
    name: String,
    config: RedisConfig,
    pool: Connection<Pool>,
    /// A connection on which `ASKING` is followed by nobody else's command.
    asking: Mutex<Option<Connection<Client>>>,
}

impl Shard {
    pub(crate) fn new(server: Option<Server>, config: RedisConfig, pool: Connection<Pool>) -> Self {
        let name = server.as_ref().map_or_else(|| config.to_string(), ToString::to_string);
        Self(Arc::new(Inner { server, name, config, pool, asking: Mutex::default() }))
    }

    /// One of its connections, for a command, a pipeline or a transaction.
    pub fn client(&self) -> &Client {
        self.0.pool.client.next()
    }

    /// The one of its connections for commands that must keep their order.
    pub(crate) fn first_client(&self) -> &Client {
        // A pool has at least one.
        &self.pool().clients()[0]
    }

    /// All its connections.
    pub fn pool(&self) -> &Pool {
        &self.0.pool.client
    }

    /// Whether it does what the service needs.
    pub fn state(&self) -> watch::Receiver<State> {
        self.0.pool.state.clone()
    }

    /// The settings for more connections to this server: [`connect::client`] for blocking commands,
    /// [`connect::listener`] for what only this server tells.
    pub fn config(&self) -> &RedisConfig {
        &self.0.config
    }

    pub(crate) fn server(&self) -> Option<&Server> {
        self.0.server.as_ref()
    }

    /// Runs `op`, whose first command may be about a key that is just moving to this server.
    pub(crate) async fn run_asking<T, F: Future<Output = Result<T, RedisError>>>(
        &self,
        op: impl Fn(Client) -> F,
    ) -> Result<T, RedisError> {
        let mut asking = self.0.asking.lock().await;
        let connection = match &mut *asking {
            Some(connection) => connection,
            none => none.insert(connect::client(&self.0.config)?),
        };
        let client = connection.client.clone();
        client
            .custom::<(), _>(CustomCommand::new_static("ASKING", None, false), Vec::<String>::new())
            .await?;
        op(client).await
    }

    /// Ends the connections. What waits for an answer fails a second later.
    pub(crate) async fn close(&self) {
        self.0.pool.close().await;
        if let Some(connection) = self.0.asking.lock().await.take() {
            connection.close().await;
        }
    }

    /// What is wrong with it, for the state of the whole Cluster.
    pub(crate) fn problem(&self) -> State {
        let state = self.0.pool.state.borrow().clone();
        let Some(server) = &self.0.server else { return state };
        state.map_err(|reason| match reason.strip_prefix(&format!("Redis at {}: ", self.0.config)) {
            Some(reason) => format!("shard of {server} cannot be reached: {reason}"),
            None => format!("shard of {server}: {reason}"),
        })
    }
}

impl PartialEq for Shard {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Shard {}

/// Of a node of a Cluster `HOST:PORT`.
impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.name)
    }
}

impl fmt::Debug for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Shard({self})")
    }
}
