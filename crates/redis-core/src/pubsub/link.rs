//! The connection of a subscriber, and the node that it leads to.

use std::sync::Arc;

use fred::clients::Client;
use fred::interfaces::EventInterface;
use fred::types::Message;
use fred::types::config::Server;
use parking_lot::Mutex;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};
use tokio::time::sleep;

use super::nodes::{Nodes, Place};
use crate::cluster::{NodeId, Topology};
use crate::follow::reconnect;
use crate::state::publish_state;
use crate::{ConnectError, Connection, State, connect};

/// A connection that subscribes: to one server; or to a node of a Cluster, and to another when that is down. What is published on
/// one node of a Cluster is told by each.
#[derive(Clone)]
pub(crate) struct Link {
    current: Arc<Mutex<Current>>,
    state: watch::Receiver<State>,
    /// On a Cluster: what the present connection receives is passed on here.
    passed_on: Option<PassedOn>,
}

struct Current {
    connection: Connection<Client>,
    /// On a Cluster the node that it leads to, if that is known.
    node: Option<NodeId>,
}

#[derive(Clone)]
struct PassedOn {
    messages: broadcast::Sender<Message>,
    connects: broadcast::Sender<Server>,
}

/// Why a connection is left.
enum End {
    Failed,
    /// All subscribers should be at another node.
    Better,
    /// Nobody uses it any more.
    Unused,
}

impl Link {
    /// A connection that stays at its server.
    pub(crate) fn fixed(connection: Connection<Client>) -> Self {
        let state = connection.state.clone();
        let current = Current { connection, node: None };
        Self { current: Arc::new(Mutex::new(current)), state, passed_on: None }
    }

    /// A connection to one of these nodes of a Cluster, and to another when that is better.
    pub(crate) fn to(mut nodes: Nodes, event_capacity: usize) -> Result<Self, ConnectError> {
        let place = nodes.next(None, false);
        let connection = connect::listener(&nodes.config().at(&place.server), event_capacity)?;
        let (state_sender, state) = watch::channel(connection.state.borrow().clone());
        let passed_on = PassedOn {
            messages: broadcast::Sender::new(event_capacity),
            connects: broadcast::Sender::new(event_capacity),
        };
        let current = Current { connection: connection.clone(), node: place.node.clone() };
        let current = Arc::new(Mutex::new(current));
        let link = Self { current: Arc::clone(&current), state, passed_on: Some(passed_on.clone()) };
        tokio::spawn(async move {
            let (mut place, mut connection) = (place, connection);
            loop {
                let end = if nodes.can_stay_at(&place) {
                    stay(&connection, &place, &passed_on, &state_sender, &nodes).await
                } else {
                    tokio::select! {
                        () = nodes.known() => End::Better,
                        () = state_sender.closed() => End::Unused,
                    }
                };
                if matches!(end, End::Unused) {
                    return connection.close().await;
                }
                let next = nodes.next(Some(&place), matches!(end, End::Failed));
                tracing::info!(server = %next.server, "subscribes at {}", next.server);
                let old = connection;
                tokio::spawn(async move { old.close().await });
                connection = match connect::listener(&nodes.config().at(&next.server), event_capacity) {
                    Ok(connection) => connection,
                    Err(error) => return tracing::error!("{error}"),
                };
                place = next;
                *current.lock() = Current { connection: connection.clone(), node: place.node.clone() };
            }
        });
        Ok(link)
    }

    /// The client of the present connection.
    pub(crate) fn client(&self) -> Client {
        self.current.lock().connection.client.clone()
    }

    /// On a Cluster the node that the present connection leads to, if that is known.
    pub(crate) fn node(&self) -> Option<NodeId> {
        self.current.lock().node.clone()
    }

    /// Ends the present connection. One that stays at its server makes no other.
    pub(crate) async fn close(&self) {
        let connection = self.current.lock().connection.clone();
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

/// Passes on what a connection receives, until it should lead to another node.
async fn stay(
    connection: &Connection<Client>,
    place: &Place,
    passed_on: &PassedOn,
    state_sender: &watch::Sender<State>,
    nodes: &Nodes,
) -> End {
    let client = &connection.client;
    let (mut messages, mut connects) = (client.message_rx(), client.reconnect_rx());
    let mut state = connection.state.clone();
    state.mark_changed();
    let mut patience = std::pin::pin!(sleep(nodes.patience()));
    let mut topology = nodes.topology();
    let is_gone = |topology: &Topology| {
        let mut living = topology.living().peekable();
        living.peek().is_some() && living.all(|member| member.server != place.server)
    };
    let mut better = std::pin::pin!(nodes.better_than(place));
    loop {
        let is_alone = topology.borrow().living().count() < 2;
        tokio::select! {
            biased;
            // A new connection comes before its messages.
            connected = connects.recv() => match connected {
                Err(RecvError::Closed) => return End::Unused,
                // Nobody may be listening.
                Ok(server) => drop(passed_on.connects.send(server)),
                Err(RecvError::Lagged(_)) => {}
            },
            message = messages.recv() => match message {
                Ok(message) => drop(passed_on.messages.send(message)),
                // What was missed cannot be told but by a new connection.
                Err(RecvError::Lagged(_)) => reconnect(client).await,
                Err(RecvError::Closed) => return End::Unused,
            },
            changed = state.changed() => {
                if changed.is_err() {
                    return End::Unused;
                }
                let state = state.borrow_and_update().clone();
                if state.is_ok() != state_sender.borrow().is_ok() {
                    patience.set(sleep(nodes.patience()));
                }
                publish_state(state_sender, state);
            }
            () = &mut patience, if state_sender.borrow().is_err() && !is_alone => return End::Failed,
            is_gone = async { topology.wait_for(is_gone).await.is_ok() } => {
                return if is_gone { End::Failed } else { End::Unused };
            }
            () = &mut better => return End::Better,
            () = state_sender.closed() => return End::Unused,
        }
    }
}
