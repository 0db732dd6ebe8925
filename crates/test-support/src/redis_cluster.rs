mod nodes;

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use fred::clients::Client;
use fred::error::Error;
use fred::interfaces::ClientLike;
use fred::types::{CustomCommand, Value};
use parking_lot::Mutex;
use redis_core::key::HASH_SLOTS;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use self::nodes::{Node, parse_nodes};
use crate::{TestRedis, eventually, eventually_ok, free_port};

/// What makes a server a node. A primary that is away for 2 s is replaced, which is as soon as a busy machine allows; meanwhile
/// the other shards go on; a new replica waits for no others; and one that could not take its place for long still may.
const NODE_ARGS: &[&str] = &[
    "--cluster-enabled",
    "yes",
    "--cluster-node-timeout",
    "2000",
    "--cluster-require-full-coverage",
    "no",
    "--repl-diskless-sync-delay",
    "0",
    "--cluster-replica-validity-factor",
    "0",
];
/// How many there may be at a time in a test program. A node that gets no processor time for too long is called down.
static TURNS: Semaphore = Semaphore::const_new(2);
/// A node that takes longer is down.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// A Redis Cluster of three primaries with a replica each, on free ports of 127.0.0.1. A shard that is away does not stop the
/// others (`cluster-require-full-coverage no`).
pub struct RedisCluster {
    /// The first three begin as primaries, the others as their replicas in the same order. A node that is added comes last.
    pub nodes: Vec<TestRedis>,
    args: Vec<String>,
    /// One for each node that was asked something.
    clients: Mutex<HashMap<usize, Client>>,
    _turn: SemaphorePermit<'static>,
}

impl RedisCluster {
    /// Starts one with the default settings.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts one whose nodes have further arguments.
    pub async fn start_with(args: &[&str]) -> Self {
        Self::start_binary(Path::new("redis-server"), args).await
    }

    /// Starts one of another version: see [`redis_versions`](crate::redis_versions).
    pub async fn start_binary(binary: &Path, args: &[&str]) -> Self {
        let args = [NODE_ARGS, args].concat().into_iter().map(str::to_owned).collect();
        let turn = TURNS.acquire().await.expect("nobody closes it");
        let mut cluster = Self { nodes: Vec::new(), args, clients: Mutex::default(), _turn: turn };
        for _ in 0..6 {
            cluster.start_node(binary).await;
        }
        for (number, epoch) in (0..6).zip(1..) {
            cluster.ask(number, &format!("SET-CONFIG-EPOCH {epoch}")).await;
        }
        for primary in 0..3_u16 {
            let third = HASH_SLOTS / 3;
            let slots = third * primary..if primary < 2 { third * (primary + 1) } else { HASH_SLOTS };
            let slots: Vec<String> = slots.map(|slot| slot.to_string()).collect();
            cluster.ask(primary.into(), &format!("ADDSLOTS {}", slots.join(" "))).await;
        }
        for number in 1..6 {
            cluster.meet(number).await;
        }
        cluster.wait_until_known().await;
        for number in 3..6 {
            let primary = cluster.id(number - 3).await;
            cluster.ask(number, &format!("REPLICATE {primary}")).await;
        }
        cluster.wait_until_stable().await;
        cluster
    }

    async fn start_node(&mut self, binary: &Path) {
        let args: Vec<&str> = self.args.iter().map(String::as_str).collect();
        // Its nodes speak to each other on a port that is 10,000 higher.
        let port = loop {
            let port = free_port();
            if port < 22_000 && std::net::TcpListener::bind(("127.0.0.1", port + 10_000)).is_ok() {
                break port;
            }
        };
        self.nodes.push(TestRedis::start_on(port, binary, &args).await);
    }

    /// `redis-cluster://`, with the first three nodes.
    pub fn url(&self) -> String {
        let nodes = self.nodes[..3].iter().map(|node| format!("127.0.0.1:{}", node.port()));
        format!("redis-cluster://{}", nodes.collect::<Vec<_>>().join(","))
    }

    /// As [`RedisCluster::url`], with a user whose password is `SECRET`, as in the READMEs.
    pub fn url_of(&self, user: &str) -> String {
        self.url().replacen("//", &format!("//{user}:SECRET@"), 1)
    }

    /// Makes the user of a README on all nodes: its lines for one Redis and for a Cluster.
    pub async fn set_user(&self, readme: &str) {
        let lines: Vec<&str> = readme.lines().filter(|line| line.starts_with("ACL SETUSER ")).collect();
        assert_eq!(lines.len(), 2, "{lines:?}");
        for node in &self.nodes {
            for line in &lines {
                node.admin(line).await;
            }
        }
    }

    /// Fails if a node has refused a user something.
    pub async fn assert_nothing_denied(&self) {
        for node in &self.nodes {
            let denied = node.admin("ACL LOG").await;
            assert_eq!(denied.array_len(), Some(0), "{denied:?}");
        }
    }

    /// The number of the node that has this slot.
    pub async fn owner(&self, slot: u16) -> usize {
        let find = async || {
            let nodes = self.view().await;
            let owner = nodes.iter().find(|node| node.is_up && node.is_primary && node.has(slot));
            owner.map(|node| self.number(node.port)).ok_or("nobody has it")
        };
        eventually_ok("a primary has the slot", find).await
    }

    /// The numbers of the primaries that are up.
    pub async fn primaries(&self) -> Vec<usize> {
        let primaries = self.view().await.into_iter().filter(|node| node.is_primary && node.is_up);
        primaries.map(|node| self.number(node.port)).collect()
    }

    /// Kills a primary (SIGKILL), and waits until its replica has taken its place. Returns the number of the new primary.
    pub async fn kill_primary(&mut self, number: usize) -> usize {
        let slot = self.slot_of(number).await;
        self.nodes[number].kill().await;
        self.wait_for_failover(slot, number).await
    }

    /// Kills a primary (SIGKILL). Its replica takes its place after [`Self::allow_failover`], however long that takes.
    pub async fn kill_without_failover(&mut self, number: usize) {
        self.set_no_failover("yes").await;
        self.nodes[number].kill().await;
    }

    /// Lets the replica of a primary that was [killed](Self::kill_without_failover) take its place.
    pub async fn allow_failover(&self) {
        self.set_no_failover("no").await;
    }

    async fn set_no_failover(&self, value: &str) {
        for number in self.running() {
            self.nodes[number].admin(&format!("CONFIG SET cluster-replica-no-failover {value}")).await;
        }
    }

    /// `CLUSTER FAILOVER`: the replica takes the place of the primary, without the loss of a write. Returns its number.
    pub async fn fail_over(&self, number: usize) -> usize {
        let slot = self.slot_of(number).await;
        let id = self.id(number).await;
        let find = async || {
            let nodes = self.view().await;
            let replica = nodes.iter().find(|node| node.primary.as_ref() == Some(&id) && node.is_up);
            replica.map(|node| self.number(node.port)).ok_or("none")
        };
        let replica = eventually_ok("the primary has a replica", find).await;
        // A replica gives up after 5 s if the others were too busy to answer it. Then it is asked again.
        eventually("a planned failover", async || {
            self.owner(slot).await != number
                || self.try_ask(replica, "FAILOVER").await.is_ok()
                    && timeout(Duration::from_secs(6), self.wait_for_failover(slot, number)).await.is_ok()
        })
        .await;
        self.owner(slot).await
    }

    /// Waits until another node than this has the slot. Returns its number.
    pub async fn wait_for_failover(&self, slot: u16, old: usize) -> usize {
        eventually("another node has the slot", async || self.owner(slot).await != old).await;
        self.owner(slot).await
    }

    /// Starts a node without slots, and waits until all know it. Returns its number.
    pub async fn add_node(&mut self) -> usize {
        self.start_node(Path::new("redis-server")).await;
        let number = self.nodes.len() - 1;
        self.meet(number).await;
        self.wait_until_known().await;
        eventually("the new node may take keys", async || {
            let state = self.ask(number, "INFO").await.as_string();
            state.is_some_and(|state| state.contains("cluster_state:ok"))
        })
        .await;
        number
    }

    /// Moves as many slots with their keys, one after the other, while everything runs.
    pub async fn move_slots(&self, count: u16, from: usize, to: usize) {
        let slots = self.slots_of(from).await;
        for slot in slots.into_iter().take(count.into()) {
            self.begin_move(slot, from, to).await;
            self.finish_move(slot, from, to).await;
        }
    }

    /// From here on the node says ASK about keys of the slot that it does not have.
    pub async fn begin_move(&self, slot: u16, from: usize, to: usize) {
        let (old, new) = (self.id(from).await, self.id(to).await);
        self.ask(to, &format!("SETSLOT {slot} IMPORTING {old}")).await;
        self.ask(from, &format!("SETSLOT {slot} MIGRATING {new}")).await;
    }

    /// Moves the keys of the slot, and tells all primaries who has it now.
    pub async fn finish_move(&self, slot: u16, from: usize, to: usize) {
        let (new, port) = (self.id(to).await, self.nodes[to].port());
        loop {
            let keys = self.ask(from, &format!("GETKEYSINSLOT {slot} 100")).await.into_array();
            if keys.is_empty() {
                break;
            }
            let mut words: Vec<Value> = ["127.0.0.1", &port.to_string(), "", "0", "5000", "KEYS"]
                .map(|word| word.to_owned().into())
                .into();
            words.extend(keys);
            self.send(from, "MIGRATE", words).await.expect("move the keys of a slot");
        }
        // The new owner first: it gets a greater epoch, so that nobody believes the old one.
        self.ask(to, &format!("SETSLOT {slot} NODE {new}")).await;
        for number in self.primaries().await {
            if number != to {
                self.ask(number, &format!("SETSLOT {slot} NODE {new}")).await;
            }
        }
    }

    /// Waits until all nodes that are up agree on the primaries, each of which has slots, and every replica is up to date.
    pub async fn wait_until_stable(&self) {
        eventually_ok("the nodes of the Cluster agree", async || {
            let mut views = Vec::new();
            for number in self.running() {
                let info = self.send(number, "INFO", vec!["replication".into()]).await;
                let info = info?.as_string().unwrap_or_default();
                let is_ok = info.contains("role:master") || info.contains("master_link_status:up");
                let state = self.try_ask(number, "INFO").await?.as_string().unwrap_or_default();
                if !is_ok || !state.contains("cluster_state:ok") {
                    return Err(format!("node {number} is not ready"));
                }
                views.push(self.nodes_known_to(number).await?);
            }
            let owners = |nodes: &[Node]| {
                let mut owners: Vec<_> =
                    nodes.iter().filter(|node| !node.slots.is_empty()).map(Node::owner).collect();
                owners.sort_unstable();
                owners
            };
            let first = views.first().map(|nodes| owners(nodes)).unwrap_or_default();
            if views.iter().all(|nodes| owners(nodes) == first) { Ok(()) } else { Err(format!("{views:?}")) }
        })
        .await;
    }

    async fn wait_until_known(&self) {
        eventually_ok("all nodes know each other", async || {
            for number in self.running() {
                let known = self.nodes_known_to(number).await?;
                if known.iter().filter(|node| node.is_up).count() < self.running().count() {
                    return Err(format!("node {number} knows {known:?}"));
                }
            }
            Ok(())
        })
        .await;
    }

    async fn meet(&self, number: usize) {
        let port = self.nodes[number].port();
        let first = self.running().find(|other| *other != number);
        self.ask(first.expect("another node runs"), &format!("MEET 127.0.0.1 {port}")).await;
    }

    /// The name of a node.
    pub async fn id(&self, number: usize) -> String {
        self.ask(number, "MYID").await.as_string().expect("the id of a node")
    }

    async fn slots_of(&self, number: usize) -> Vec<u16> {
        let nodes = self.view().await;
        let port = self.nodes[number].port();
        let node = nodes.iter().find(|node| node.port == port).expect("a node of this Cluster");
        node.slots.iter().cloned().flatten().collect()
    }

    async fn slot_of(&self, number: usize) -> u16 {
        *self.slots_of(number).await.first().expect("the node has slots")
    }

    /// What each node says of itself, for that is the newest. Those that do not answer are left out.
    async fn view(&self) -> Vec<Node> {
        let mut nodes: Vec<Node> = Vec::new();
        for number in self.running() {
            let known = self.nodes_known_to(number).await.unwrap_or_default();
            nodes.extend(known.into_iter().filter(|node| node.is_myself));
        }
        nodes
    }

    async fn nodes_known_to(&self, number: usize) -> Result<Vec<Node>, String> {
        let text = self.try_ask(number, "NODES").await?.as_string();
        Ok(parse_nodes(&text.unwrap_or_default()))
    }

    /// The numbers of the nodes that were not killed.
    fn running(&self) -> impl Iterator<Item = usize> {
        (0..self.nodes.len()).filter(|number| self.nodes[*number].is_running())
    }

    fn number(&self, port: u16) -> usize {
        self.nodes.iter().position(|node| node.port() == port).expect("a node of this Cluster")
    }

    async fn ask(&self, number: usize, words: &str) -> Value {
        self.try_ask(number, words).await.unwrap_or_else(|error| panic!("CLUSTER {words}: {error}"))
    }

    async fn try_ask(&self, number: usize, words: &str) -> Result<Value, String> {
        self.send(number, "CLUSTER", words.split(' ').map(|word| word.to_owned().into()).collect()).await
    }

    async fn send(&self, number: usize, name: &'static str, args: Vec<Value>) -> Result<Value, String> {
        let known = self.clients.lock().remove(&number).filter(|_| self.nodes[number].is_running());
        let send = async {
            let client = match known {
                Some(client) => client,
                None => self.nodes[number].connect(0).await?,
            };
            let reply = client.custom(CustomCommand::new_static(name, None, false), args).await?;
            // After an error it is not used again: its node may be gone.
            self.clients.lock().insert(number, client);
            Ok::<Value, Error>(reply)
        };
        let reply = timeout(ANSWER_TIMEOUT, send).await.map_err(|_| "no answer".to_owned())?;
        reply.map_err(|error| error.to_string())
    }
}
