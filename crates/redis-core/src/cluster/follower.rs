//! Follows the topology of a Cluster: who has which slots, and a pool of connections for each primary.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use fred::error::ErrorKind;
use fred::types::config::Server;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until, timeout};

use super::slot_map::SlotMap;
use super::topology::{Member, Topology};
use super::view::{Node, NodeId, View};
use crate::builder::{COMMAND_TIMEOUT, NO_EVENTS, QUESTION_TIMEOUT, builder};
use crate::error::{reason, reason_at};
use crate::single_connection::SingleConnection;
use crate::state::{first_problem, publish_state};
use crate::{ConnectError, Needs, RedisConfig, RedisError, Shard, State, connect};

/// Time between two questions about the topology.
const INTERVAL: Duration = Duration::from_secs(1);
/// As long as a shard cannot be reached, or somebody was redirected.
const TROUBLE_INTERVAL: Duration = Duration::from_millis(100);

/// Keeps a [`Topology`] up to date until nobody looks at it any more.
pub(crate) struct Follower {
    config: RedisConfig,
    needs: Option<Needs>,
    map: SlotMap,
    shards: BTreeMap<Server, Shard>,
    topology: watch::Sender<Topology>,
    state: watch::Sender<State>,
    /// Notified by whoever was redirected.
    redirected: Arc<Notify>,
    /// Notified when a shard begins or ceases to work.
    changed: Arc<Notify>,
    /// Each question goes to another node.
    turn: usize,
}

impl Follower {
    /// `needs`: what each shard is checked for.
    pub(crate) fn new(
        config: &RedisConfig,
        needs: Option<Needs>,
        topology: watch::Sender<Topology>,
        state: watch::Sender<State>,
        redirected: Arc<Notify>,
    ) -> Self {
        Self {
            config: config.clone(),
            needs,
            map: SlotMap::new(),
            shards: BTreeMap::new(),
            topology,
            state,
            redirected,
            changed: Arc::default(),
            turn: 0,
        }
    }

    pub(crate) async fn run(mut self) {
        while !self.topology.is_closed() {
            match self.ask().await {
                Ok(view) => self.apply(&view),
                Err(error) if self.shards.is_empty() => {
                    publish_state(&self.state, Err(reason_at(&self.config, &error)));
                }
                // Then the shards say what is wrong.
                Err(error) => tracing::debug!("ask for the topology: {}", reason(&error)),
            }
            self.wait(Instant::now()).await;
        }
        for shard in std::mem::take(&mut self.shards).into_values() {
            tokio::spawn(async move { shard.close().await });
        }
    }

    /// Waits until it is time for another question. Meanwhile the state follows those of the shards.
    async fn wait(&self, asked_at: Instant) {
        let soonest = asked_at + TROUBLE_INTERVAL;
        loop {
            if !self.shards.is_empty() {
                publish_state(&self.state, self.find_state());
            }
            let due = if self.state.borrow().is_err() { soonest } else { asked_at + INTERVAL };
            tokio::select! {
                () = sleep_until(due) => return,
                () = self.topology.closed() => return,
                () = self.changed.notified() => {}
                () = self.redirected.notified() => return sleep_until(soonest).await,
            }
        }
    }

    /// Asks one node after the other until one answers.
    async fn ask(&mut self) -> Result<View, RedisError> {
        self.turn = self.turn.wrapping_add(1);
        let mut known: Vec<&Shard> = self.shards.values().collect();
        if !known.is_empty() {
            let turn = self.turn % known.len();
            known.rotate_left(turn);
        }
        for shard in known.iter().filter(|shard| shard.state().borrow().is_ok()) {
            if let Some(server) = shard.server()
                && let Ok(view) = View::ask(shard.client(), server).await
            {
                return Ok(view);
            }
        }
        let mut servers = self.config.nodes();
        servers.extend(self.topology.borrow().living().map(|member| member.server.clone()));
        first_view(&self.config, &servers).await
    }

    fn apply(&mut self, view: &View) {
        self.map.merge(view);
        let primaries = view.nodes.values().filter(|node| node.is_primary).map(|node| &node.server);
        let owners = self.map.owners().map(|owner| Some(&view.nodes.get(owner?)?.server));
        let owners: Vec<Option<&Server>> = owners.collect();
        let wanted: BTreeSet<&Server> = primaries.chain(owners.iter().copied().flatten()).collect();
        for &server in &wanted {
            if !self.shards.contains_key(server) {
                match self.open(server) {
                    Ok(shard) => drop(self.shards.insert(server.clone(), shard)),
                    Err(error) => publish_state(&self.state, Err(error.to_string())),
                }
            }
        }
        let (kept, gone): (BTreeMap<_, _>, BTreeMap<_, _>) =
            std::mem::take(&mut self.shards).into_iter().partition(|(server, _)| wanted.contains(server));
        self.shards = kept;
        self.publish(&owners, view);
        for (server, shard) in gone {
            tracing::info!(%server, "{server} has no part of the Redis Cluster's slots any more");
            tokio::spawn(async move { shard.close().await });
        }
    }

    /// A pool of connections to a node, and a task that tells when its state changes.
    fn open(&self, server: &Server) -> Result<Shard, ConnectError> {
        let config = self.config.at(server);
        let mut pool = connect::pool(&config)?;
        if let Some(needs) = &self.needs {
            pool = pool.check(&config, needs.clone());
        }
        let (mut state, changed) = (pool.state.clone(), Arc::downgrade(&self.changed));
        tokio::spawn(async move {
            while state.changed().await.is_ok() {
                let Some(changed) = changed.upgrade() else { return };
                changed.notify_one();
            }
        });
        Ok(Shard::new(Some(server.clone()), config, pool))
    }

    fn publish(&self, owners: &[Option<&Server>], view: &View) {
        let mut shards: Vec<Shard> = Vec::new();
        let mut places: HashMap<&Server, u16> = HashMap::new();
        let mut by_slot = Vec::with_capacity(owners.len());
        for owner in owners {
            let place = owner.and_then(|server| {
                if let Some(place) = places.get(server) {
                    return Some(*place);
                }
                let place = u16::try_from(shards.len()).ok()?;
                shards.push(self.shards.get(server)?.clone());
                places.insert(server, place);
                Some(place)
            });
            by_slot.push(place);
        }
        let mut nodes: Vec<(&NodeId, &Node)> = view.nodes.iter().collect();
        nodes.sort_by_key(|(_, node)| (!node.is_primary, node.server.clone()));
        let member = |(id, node): (&NodeId, &Node)| Member {
            id: id.clone(),
            server: node.server.clone(),
            primary: node.primary.as_ref().unwrap_or(id).clone(),
            is_down: node.is_down,
        };
        let topology = Topology {
            shards: shards.into(),
            places: by_slot.into(),
            primaries: self.shards.values().cloned().collect(),
            members: nodes.into_iter().map(member).collect(),
        };
        self.topology.send_if_modified(|known| {
            let is_new = *known != topology;
            *known = topology;
            is_new
        });
    }

    fn find_state(&self) -> State {
        let gaps = self.map.gaps();
        if !gaps.is_empty() {
            let gaps: Vec<String> = gaps.iter().map(|gap| format!("{}-{}", gap.start(), gap.end())).collect();
            return Err(format!("no node of the Redis Cluster has the hash slots {}", gaps.join(", ")));
        }
        let topology = self.topology.borrow();
        let states: Vec<State> = topology.shards.iter().map(Shard::problem).collect();
        first_problem(states.iter())
    }
}

/// What the first of these nodes says that answers.
///
/// # Errors
/// That of the first node, if none does.
pub(crate) async fn first_view(config: &RedisConfig, servers: &[Server]) -> Result<View, RedisError> {
    let mut first = None;
    for server in servers {
        let ask = async {
            let fred = config
                .at(server)
                .to_fred()
                .map_err(|error| RedisError::new(ErrorKind::Config, error.to_string()))?;
            let connection = SingleConnection::open(&builder(fred, COMMAND_TIMEOUT, NO_EVENTS)).await?;
            View::ask(&connection.client, server).await
        };
        let answer = timeout(2 * QUESTION_TIMEOUT, ask).await;
        let no_answer = || RedisError::new(ErrorKind::Timeout, "no answer in time");
        match answer.unwrap_or_else(|_| Err(no_answer())) {
            Ok(view) => return Ok(view),
            Err(error) => drop(first.get_or_insert(error)),
        }
    }
    Err(first.unwrap_or_else(|| RedisError::new(ErrorKind::Config, "no node is named")))
}
