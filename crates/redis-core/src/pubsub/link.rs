//! The connection of a subscriber, and the node that it leads to.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use fred::clients::Client;
use fred::interfaces::EventInterface;
use fred::types::Message;
use fred::types::config::Server;
use parking_lot::Mutex;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};
use tokio::time::sleep;

use crate::cluster::Topology;
use crate::follow::reconnect;
use crate::state::publish_state;
use crate::{ConnectError, Connection, RedisConfig, State, connect};

/// A node that cannot be reached for so long is left for another, whatever the Cluster says of it.
const PATIENCE: Duration = Duration::from_secs(1);

/// A connection that subscribes: to one server; or to any node of a Cluster, and to another when that is down. What is published
/// on one node of a Cluster is told by each.
#[derive(Clone)]
pub(crate) struct Link {
    current: Arc<Mutex<Connection<Client>>>,
    state: watch::Receiver<State>,
    /// On a Cluster: what the present connection receives is passed on here.
    passed_on: Option<PassedOn>,
}

#[derive(Clone)]
struct PassedOn {
    messages: broadcast::Sender<Message>,
    connects: broadcast::Sender<Server>,
}

impl Link {
    /// A connection that stays at its server.
    pub(crate) fn fixed(connection: Connection<Client>) -> Self {
        let state = connection.state.clone();
        Self { current: Arc::new(Mutex::new(connection)), state, passed_on: None }
    }

    /// A connection to any node of a Cluster. `config` has the names of some, for as long as nothing else is known.
    pub(crate) fn to_any_node(
        config: &RedisConfig,
        topology: watch::Receiver<Topology>,
        event_capacity: usize,
    ) -> Result<Self, ConnectError> {
        let mut nodes = Nodes { named: config.nodes(), topology, turn: RandomState::new().hash_one(0) };
        let (server, connection) = nodes.connect_next(config, event_capacity)?;
        let (state_sender, state) = watch::channel(connection.state.borrow().clone());
        let passed_on = PassedOn {
            messages: broadcast::Sender::new(event_capacity),
            connects: broadcast::Sender::new(event_capacity),
        };
        let current = Arc::new(Mutex::new(connection.clone()));
        let link = Self { current: Arc::clone(&current), state, passed_on: Some(passed_on.clone()) };
        let config = config.clone();
        tokio::spawn(async move {
            let (mut server, mut connection) = (server, connection);
            while stay(&connection, &server, &passed_on, &state_sender, &mut nodes.topology).await {
                tracing::info!(%server, "subscribes at another node than {server}");
                let old = connection.clone();
                tokio::spawn(async move { old.close().await });
                match nodes.connect_next(&config, event_capacity) {
                    Ok(next) => (server, connection) = next,
                    Err(error) => return tracing::error!("{error}"),
                }
                *current.lock() = connection.clone();
            }
            connection.close().await;
        });
        Ok(link)
    }

    /// The client of the present connection.
    pub(crate) fn client(&self) -> Client {
        self.current.lock().client.clone()
    }

    /// Ends the present connection. One that stays at its server makes no other.
    pub(crate) async fn close(&self) {
        let connection = self.current.lock().clone();
        connection.close().await;
    }

    /// Whether the connection works.
    pub(crate) fn state(&self) -> watch::Receiver<State> {
        self.state.clone()
    }

    /// What is published from now on.
    pub(crate) fn message_rx(&self) -> broadcast::Receiver<Message> {
        match &self.passed_on {
            Some(passed_on) => passed_on.messages.subscribe(),
            None => self.client().message_rx(),
        }
    }

    /// A value for each new connection.
    pub(crate) fn reconnect_rx(&self) -> broadcast::Receiver<Server> {
        match &self.passed_on {
            Some(passed_on) => passed_on.connects.subscribe(),
            None => self.client().reconnect_rx(),
        }
    }
}

/// Passes on what a connection receives, until it should lead to another node. `false`: nobody uses it any more.
async fn stay(
    connection: &Connection<Client>,
    server: &Server,
    passed_on: &PassedOn,
    state_sender: &watch::Sender<State>,
    topology: &mut watch::Receiver<Topology>,
) -> bool {
    let client = &connection.client;
    let (mut messages, mut connects) = (client.message_rx(), client.reconnect_rx());
    let mut state = connection.state.clone();
    state.mark_changed();
    let mut patience = std::pin::pin!(sleep(PATIENCE));
    let is_gone = |topology: &Topology| !topology.servers.is_empty() && !topology.servers.contains(server);
    loop {
        let is_alone = topology.borrow().servers.len() < 2;
        tokio::select! {
            biased;
            // A new connection comes before its messages.
            connected = connects.recv() => match connected {
                Err(RecvError::Closed) => return false,
                // Nobody may be listening.
                Ok(server) => drop(passed_on.connects.send(server)),
                Err(RecvError::Lagged(_)) => {}
            },
            message = messages.recv() => match message {
                Ok(message) => drop(passed_on.messages.send(message)),
                // What was missed cannot be told but by a new connection.
                Err(RecvError::Lagged(_)) => reconnect(client).await,
                Err(RecvError::Closed) => return false,
            },
            changed = state.changed() => {
                if changed.is_err() {
                    return false;
                }
                let state = state.borrow_and_update().clone();
                if state.is_ok() != state_sender.borrow().is_ok() {
                    patience.set(sleep(PATIENCE));
                }
                publish_state(state_sender, state);
            }
            () = &mut patience, if state_sender.borrow().is_err() && !is_alone => return true,
            is_gone = async { topology.wait_for(is_gone).await.is_ok() } => return is_gone,
            () = state_sender.closed() => return false,
        }
    }
}

/// The nodes to choose from.
struct Nodes {
    named: Vec<Server>,
    topology: watch::Receiver<Topology>,
    /// It begins anywhere, so that subscribers spread.
    turn: u64,
}

impl Nodes {
    fn connect_next(
        &mut self,
        config: &RedisConfig,
        event_capacity: usize,
    ) -> Result<(Server, Connection<Client>), ConnectError> {
        let known = self.topology.borrow_and_update().servers.clone();
        let nodes = if known.is_empty() { &self.named } else { &*known };
        self.turn = self.turn.wrapping_add(1);
        let place = usize::try_from(self.turn % nodes.len().max(1) as u64).unwrap_or_default();
        let server = nodes[place].clone();
        let connection = connect::listener(&config.at(&server), event_capacity)?;
        Ok((server, connection))
    }
}
