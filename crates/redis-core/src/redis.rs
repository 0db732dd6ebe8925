use std::sync::Arc;
use std::time::Duration;

use fred::clients::{Client, Pool};
use fred::error::ErrorKind;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout};

use crate::builder::COMMAND_TIMEOUT;
use crate::cluster::{Follower, Redirect, Topology, first_view};
use crate::key::hash_slot;
use crate::pubsub::{Link, Nodes};
use crate::state::starting;
use crate::{
    ConnectError, Connection, Layout, Needs, PubSubConnection, RedisConfig, RedisError, Shard, State,
    Subscriber, connect,
};

/// The time after which a command that is sent from node to node has failed.
const REDIRECT_TIMEOUT: Duration = COMMAND_TIMEOUT;
/// The pause before a command is tried again elsewhere. A slot that is being moved, or a failover, need some such pauses.
const PAUSE: Duration = Duration::from_millis(10);
/// The longest wait for news of the topology before a command is tried again.
const NEWS_TIMEOUT: Duration = Duration::from_millis(200);

/// The Redis of the settings: one server, or the shards of a Redis Cluster, whose topology is followed.
///
/// Cloning shares it.
#[derive(Clone)]
pub struct Redis {
    config: RedisConfig,
    topology: watch::Receiver<Topology>,
    state: watch::Receiver<State>,
    redirected: Arc<Notify>,
    /// On one Redis nothing changes, and nobody else keeps this.
    _one: Option<Arc<watch::Sender<Topology>>>,
}

impl Redis {
    /// Starts to connect in the background. The state also says whether each server would do what the service needs, as
    /// [`Connection::check`].
    ///
    /// # Errors
    /// When the configuration cannot be used at all; an absent server is not an error here.
    pub fn connect(config: &RedisConfig, needs: Needs) -> Result<Self, ConnectError> {
        if config.layout() == Layout::Cluster {
            // The files of TLS, and the database.
            config.to_fred().map_err(|error| ConnectError::because(config, error))?;
            return Ok(Self::follow(config, Some(needs)));
        }
        Ok(Self::one(config, connect::pool(config)?.check(config, needs)))
    }

    /// Connects before it returns, for programs that end soon.
    ///
    /// # Errors
    /// When the first attempt to connect fails, to any shard.
    pub async fn connected(config: &RedisConfig) -> Result<Self, ConnectError> {
        if config.layout() == Layout::One {
            return Ok(Self::one(config, connect::connected(config).await?));
        }
        config.to_fred().map_err(|error| ConnectError::because(config, error))?;
        first_view(config, &config.nodes()).await.map_err(|error| ConnectError::new(config, &error))?;
        let redis = Self::follow(config, None);
        let mut state = redis.state.clone();
        let _ = timeout(COMMAND_TIMEOUT, state.wait_for(State::is_ok)).await;
        let state = state.borrow().clone();
        state.map(|_| redis).map_err(|reason| ConnectError::because(config, reason))
    }

    fn one(config: &RedisConfig, pool: Connection<Pool>) -> Self {
        let state = pool.state.clone();
        let (sender, topology) = watch::channel(Topology::one(Shard::new(None, config.clone(), pool)));
        let redirected = Arc::default();
        Self { config: config.clone(), topology, state, redirected, _one: Some(Arc::new(sender)) }
    }

    fn follow(config: &RedisConfig, needs: Option<Needs>) -> Self {
        let (sender, topology) = watch::channel(Topology::default());
        let (states, state) = watch::channel(starting());
        let redirected = Arc::new(Notify::new());
        tokio::spawn(Follower::new(config, needs, sender, states, Arc::clone(&redirected)).run());
        Self { config: config.clone(), topology, state, redirected, _one: None }
    }

    /// How keys are named here.
    pub fn layout(&self) -> Layout {
        self.config.layout()
    }

    /// Changes whenever Redis begins or ceases to do what the service needs, on any shard.
    pub fn state(&self) -> watch::Receiver<State> {
        self.state.clone()
    }

    /// The shards that have slots now. Empty until the Cluster was reached for the first time; one Redis is one shard.
    pub fn shards(&self) -> Arc<[Shard]> {
        Arc::clone(&self.topology.borrow().shards)
    }

    /// The shard that has this key now; `None` if none is known that has.
    pub fn shard_of(&self, key: impl AsRef<[u8]>) -> Option<Shard> {
        self.shard_of_slot(hash_slot(key))
    }

    /// As [`shard_of`](Self::shard_of), by slot.
    pub fn shard_of_slot(&self, slot: u16) -> Option<Shard> {
        self.topology.borrow().shard_of(slot).cloned()
    }

    /// Changes whenever slots get another shard, or nodes come and go: see [`Topology::has_same_slots`]. On one Redis it never
    /// does.
    pub fn topology(&self) -> watch::Receiver<Topology> {
        self.topology.clone()
    }

    /// Where to publish on this channel: on a Cluster any node will do, and this is always the same, so that messages do not
    /// overtake each other; another only while that shard is away. `None` if no server is known yet.
    pub fn publisher(&self, channel: &str) -> Option<Client> {
        let works = |shard: &Shard| shard.state().borrow().is_ok();
        let own = self.shard_of(channel);
        let other = || self.shards().iter().find(|shard| works(shard)).cloned();
        own.clone().filter(works).or_else(other).or(own).map(|shard| shard.first_client().clone())
    }

    /// Runs `op` on the shard that has this key, and again where that shard says that another has it.
    ///
    /// `op` is one command, one script or one transaction, on keys of the same slot. More commands in one `op` are possible if
    /// all may be repeated: while their slot is being moved they may fail, and are run again from the first.
    ///
    /// # Errors
    /// That of `op`. What is lost with a connection is not tried again here.
    pub async fn run<T, F: Future<Output = Result<T, RedisError>>>(
        &self,
        key: impl AsRef<[u8]>,
        op: impl Fn(Client) -> F,
    ) -> Result<T, RedisError> {
        self.run_on_slot(hash_slot(key), op).await
    }

    /// As [`run`](Self::run), by slot.
    ///
    /// # Errors
    /// The same.
    pub async fn run_on_slot<T, F: Future<Output = Result<T, RedisError>>>(
        &self,
        slot: u16,
        op: impl Fn(Client) -> F,
    ) -> Result<T, RedisError> {
        self.run_by(slot, |shard| shard.client().clone(), op).await
    }

    /// As [`run_on_slot`](Self::run_on_slot), always over the same connection of the shard that has the slot, so that what is
    /// sent first is executed first. That does not hold while a shard takes the place of another, nor for what is sent again.
    ///
    /// # Errors
    /// The same.
    pub async fn run_in_order<T, F: Future<Output = Result<T, RedisError>>>(
        &self,
        slot: u16,
        op: impl Fn(Client) -> F,
    ) -> Result<T, RedisError> {
        self.run_by(slot, |shard| shard.first_client().clone(), op).await
    }

    async fn run_by<T, F: Future<Output = Result<T, RedisError>>>(
        &self,
        slot: u16,
        client: impl Fn(&Shard) -> Client,
        op: impl Fn(Client) -> F,
    ) -> Result<T, RedisError> {
        let deadline = Instant::now() + REDIRECT_TIMEOUT;
        let mut told = None;
        loop {
            let known = self.topology.borrow().clone();
            let told_shard = told.take().and_then(|server| known.primary_at(&server));
            let (error, redirect) = match told_shard.or_else(|| known.shard_of(slot)) {
                Some(shard) => match attempt(shard, client(shard), &known, &op).await {
                    Ok(value) => return Ok(value),
                    Err(failed) => failed,
                },
                None => (
                    RedisError::new(ErrorKind::IO, "no node is known that has the key"),
                    Some(Redirect::Unknown),
                ),
            };
            let Some(redirect) = redirect.filter(|_| Instant::now() < deadline) else { return Err(error) };
            match redirect {
                Redirect::Moved(server) if known.primary_at(&server).is_some() => {
                    self.ask_for_topology();
                    told = Some(server);
                }
                Redirect::TryAgain => {}
                Redirect::Moved(_) | Redirect::Ask(_) | Redirect::Unknown => self.wait_for_news(&known).await,
            }
            sleep(PAUSE).await;
        }
    }

    /// Has the topology asked for, and waits for a short time until it is another one than this.
    async fn wait_for_news(&self, known: &Topology) {
        self.ask_for_topology();
        let mut topology = self.topology.clone();
        let _ = timeout(NEWS_TIMEOUT, topology.wait_for(|topology| topology != known)).await;
    }

    /// A connection for a caller that subscribes by itself and must know what stands; on a Cluster to any node, and to another
    /// when that is down. What is published on any node is heard on each. Its channels hold `event_capacity` events, as
    /// [`connect::listener`] says.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub fn pubsub(&self, event_capacity: usize) -> Result<PubSubConnection, ConnectError> {
        self.link(Nodes::any, event_capacity).map(PubSubConnection::of_link)
    }

    /// As [`pubsub`](Self::pubsub). On a Cluster all who name the same slot are at the same node, where all hear the same messages
    /// in the same order, apart from moments in which one of them cannot reach it. It is not of the shard that has the slot, and
    /// stays the same in planned changes.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub fn pubsub_at_common_node(
        &self,
        apart_from: u16,
        event_capacity: usize,
    ) -> Result<PubSubConnection, ConnectError> {
        let nodes = |config: &RedisConfig, topology| Nodes::common(config, topology, apart_from);
        self.link(nodes, event_capacity).map(PubSubConnection::of_link)
    }

    /// A subscriber, which subscribes again after every reconnect; on a Cluster as [`pubsub`](Self::pubsub). Its channel holds
    /// [`EVENT_CAPACITY`](connect::EVENT_CAPACITY) messages.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub fn subscriber(&self) -> Result<Subscriber, ConnectError> {
        self.link(Nodes::any, connect::EVENT_CAPACITY).map(Subscriber::new)
    }

    /// Has the topology asked for now: somebody was redirected.
    pub(crate) fn ask_for_topology(&self) {
        self.redirected.notify_one();
    }

    /// A connection that subscribes; on a Cluster to one of `nodes`.
    fn link(
        &self,
        nodes: impl FnOnce(&RedisConfig, watch::Receiver<Topology>) -> Nodes,
        event_capacity: usize,
    ) -> Result<Link, ConnectError> {
        match self.layout() {
            Layout::One => connect::listener(&self.config, event_capacity).map(Link::fixed),
            Layout::Cluster => Link::to(nodes(&self.config, self.topology.clone()), event_capacity),
        }
    }

    /// Ends all connections of the pools.
    pub async fn quit(self) {
        for shard in self.shards().iter() {
            shard.close().await;
        }
    }
}

/// Runs `op` on a shard by one of its connections, and where that shard says ASK on the other. An error comes with what is to be
/// done about it.
async fn attempt<T, F: Future<Output = Result<T, RedisError>>>(
    shard: &Shard,
    client: Client,
    known: &Topology,
    op: &impl Fn(Client) -> F,
) -> Result<T, (RedisError, Option<Redirect>)> {
    let error = match op(client).await {
        Ok(value) => return Ok(value),
        Err(error) => error,
    };
    let Some(server) = shard.server() else { return Err((error, None)) };
    let redirect = Redirect::of(&error, server);
    let Some(Redirect::Ask(other)) = &redirect else { return Err((error, redirect)) };
    let Some(other) = known.primary_at(other) else { return Err((error, redirect)) };
    other.run_asking(op).await.map_err(|error| {
        // It has the slot only for who comes from the other node.
        let redirect = Redirect::of(&error, server).map(|_| Redirect::TryAgain);
        (error, redirect)
    })
}
