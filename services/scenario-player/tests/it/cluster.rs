//! A Redis Cluster, over whose shards the lanes of the timeline are spread.

use std::collections::HashSet;
use std::collections::hash_map::{Entry, HashMap};
use std::sync::Arc;
use std::time::Duration;

use fred::interfaces::{ClientLike, HashesInterface, ServerInterface};
use fred::types::InfoKind;
use futures_util::stream::{self, StreamExt};
use parking_lot::Mutex;
use redis_core::{Key, Layout, Partition};
use serde_json::Value;
use test_support::{RedisCluster, ServiceProcess, TestMosquitto, eventually, eventually_ok};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::support::{
    Subscriber, get_json, is_full_size, now_ms, post, send, start_player_at, wait_for_empty_timeline, walk,
};

/// Steps carry their due time in milliseconds.
const MOVE_PAYLOAD: (&str, &str) = ("MOVE_PAYLOAD", r#"{"id":{id},"ts":{ts_ms},"x":{x},"y":{y}}"#);
/// What was accepted must survive the loss of a primary.
const WAIT: (&str, &str) = ("REDIS_WAIT_REPLICAS", "1");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accepted_steps_arrive_in_order_while_a_primary_and_an_instance_are_killed_slots_move_and_a_shard_fails_over()
 {
    let (mut cluster, mqtt) = (RedisCluster::start().await, TestMosquitto::start().await);
    let subscriber = Subscriber::start(mqtt.port()).await;
    let players = start_two(&cluster, &mqtt, &[MOVE_PAYLOAD, WAIT]).await;
    let load = Load::start(&players);
    load.wait_for_more(20).await;
    wait_for_owners(&cluster, &players, [32, 32]).await;
    println!("before: at most {} ms late", subscriber.lateness_ms(0, is_timed));
    let readiness = Readiness::watch(&players);

    // A primary is killed. The steps of the other shards' customers go on in time.
    let (began_ms, killed) = (now_ms(), cluster.owner(0).await);
    cluster.kill_without_failover(killed).await;
    let name = format!("shard of 127.0.0.1:{}", cluster.nodes[killed].port());
    for player in &*players {
        eventually("/ready names the shard", async || {
            let (status, body) = player.get("/ready").await;
            status == 503 && body.contains(&name)
        })
        .await;
    }
    cluster.allow_failover().await;
    let promoted = cluster.wait_for_failover(0, killed).await;
    let late_ms = subscriber.lateness_ms(began_ms, |name| is_timed(name) && shard_of(name) > 0);
    println!("a primary killed: steps of other shards at most {late_ms} ms late");
    assert!(late_ms < MAX_LATE_MS, "steps of other shards were {late_ms} ms late");
    // Nothing is accepted that no replica has.
    cluster.nodes[killed].restart().await;
    cluster.wait_until_stable().await;
    for player in &*players {
        player.wait_until_ready().await;
    }
    load.wait_for_more(20).await;
    let ports = [killed, promoted].map(|number| cluster.nodes[number].port());
    readiness.assert_only(&ports);

    let (began_ms, from, to) = (now_ms(), cluster.owner(0).await, cluster.owner(8_000).await);
    let slots = if is_full_size() { 4_000 } else { 400 };
    cluster.move_slots(slots, from, to).await;
    println!("{slots} slots moved: at most {} ms late", subscriber.lateness_ms(began_ms, is_timed));
    readiness.assert_only(&[from, to].map(|number| cluster.nodes[number].port()));

    let (began_ms, old) = (now_ms(), cluster.owner(8_000).await);
    let new = cluster.fail_over(old).await;
    load.wait_for_more(20).await;
    println!("CLUSTER FAILOVER: at most {} ms late", subscriber.lateness_ms(began_ms, is_timed));
    readiness.assert_only(&[old, new].map(|number| cluster.nodes[number].port()));
    drop(readiness);

    wait_for_owners(&cluster, &players, [32, 32]).await;
    let began_ms = now_ms();
    players[1].signal("KILL").await;
    wait_for_owners(&cluster, &players, [64, 0]).await;
    load.wait_for_more(20).await;
    println!("an instance killed: at most {} ms late", subscriber.lateness_ms(began_ms, is_timed));

    let accepted = load.finish().await;
    eventually_ok("all accepted steps arrive", async || {
        let (walks, _) = subscriber.walks();
        let is_missing = |name: &&String| walks.get(*name).is_none_or(|walk| walk.len() < STEPS as usize);
        let missing: Vec<&String> = accepted.iter().filter(is_missing).collect();
        if missing.is_empty() { Ok(()) } else { Err(format!("{missing:?} of {}", accepted.len())) }
    })
    .await;
    wait_for_empty_timeline(&players[0]).await;
    let (walks, repeated) = subscriber.walks();
    for name in &accepted {
        assert_eq!(walks[name], (0..STEPS).collect::<Vec<_>>(), "steps of {name}");
    }
    println!("all {STEPS} steps of {} accepted posts arrived, {repeated} of them twice", accepted.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn customers_spread_evenly_over_the_shards_and_their_keys_stay_together() {
    let (cluster, mqtt) = (RedisCluster::start().await, TestMosquitto::start().await);
    let player = start_player_at(&cluster.url(), mqtt.port(), &[]).await;
    player.wait_until_ready().await;
    let customers = if is_full_size() { 100_000 } else { 3_000 };
    let before = commands(&cluster).await;
    let posts = stream::iter(0..customers).map(async |customer| {
        post(&player, &walk(&format!("c{customer}"), 4_000_000_000_000, 1, 1)).await;
    });
    posts.buffer_unordered(16).collect::<()>().await;
    let (mut keys, mut ran) = (Vec::new(), Vec::new());
    for (node, before) in cluster.nodes[..3].iter().zip(before) {
        keys.push(node.client().await.dbsize::<u64>().await.unwrap());
        ran.push(commands_of(node).await - before);
    }
    println!("{customers} customers: keys {keys:?}, commands {ran:?}");
    for counts in [keys, ran] {
        let (busiest, all) = (*counts.iter().max().unwrap(), counts.iter().sum::<u64>());
        assert!(busiest * 30 <= all * 13, "the busiest has over 1.3 times the mean: {counts:?}");
    }
    // What is about all customers asks all lanes.
    assert_eq!(get_json(&player, "/timeline?limit=1000").await.as_array().unwrap().len(), 1_000);
    assert_eq!(get_json(&player, "/scenarios").await.as_array().unwrap().len(), customers);
    let replay = serde_json::json!({"loop": true});
    assert_eq!(send(&player, "POST", "/scenarios/c7/replay", &replay).await.0, 200);
    assert_eq!(send(&player, "DELETE", "/scenarios/c7", &Value::Null).await.0, 204);
    assert_eq!(get_json(&player, "/scenarios").await.as_array().unwrap().len(), customers - 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_of_events_has_those_of_every_instance_and_lane() {
    let (cluster, mqtt) = (RedisCluster::start().await, TestMosquitto::start().await);
    let players = start_two(&cluster, &mqtt, &[]).await;
    let mut stream = reqwest::get(format!("{}/events", players[0].base_url())).await.unwrap();
    let received = Arc::<Mutex<String>>::default();
    let shared = Arc::clone(&received);
    let reading = tokio::spawn(async move {
        while let Ok(Some(chunk)) = stream.chunk().await {
            shared.lock().push_str(&String::from_utf8_lossy(&chunk));
        }
    });
    // It takes a moment until all instances have heard that somebody listens.
    eventually("events are published", async || {
        post(&players[1], &walk("probe", now_ms(), 1, 1)).await;
        received.lock().contains("probe")
    })
    .await;
    let customers: Vec<String> = (0..20).map(|number| format!("c{number}")).collect();
    for customer in &customers {
        post(&players[1], &walk(customer, now_ms() + 1_500, 5, 50)).await;
    }
    eventually("all events have arrived", async || {
        let text = received.lock();
        let count =
            |customer: &String| text.matches(&format!(r#"data: {{"customer_id":"{customer}","#)).count();
        customers.iter().all(|customer| count(customer) == 5)
    })
    .await;
    reading.abort();
}

/// The most that a step may be late while another shard is away: what a busy machine takes.
const MAX_LATE_MS: i64 = if cfg!(debug_assertions) { 3_000 } else { 500 };
const STEPS: i64 = 10;

/// The number of the shard that has a customer at first.
fn shard_of(customer: &str) -> usize {
    usize::from(Partition::of(customer).slot() / (16_384 / 3)).min(2)
}

/// The names of customers whose steps are measured begin with this.
const TIMED: &str = "timed";

fn is_timed(customer: &str) -> bool {
    customer.starts_with(TIMED)
}

/// Whether it is answered by 200. One that is killed does not answer.
async fn is_accepted(client: &reqwest::Client, player: &ServiceProcess, scenario: &Value) -> bool {
    let request = client.post(format!("{}/scenario", player.base_url())).json(scenario);
    request.send().await.is_ok_and(|answer| answer.status() == 200)
}

async fn start_two(
    cluster: &RedisCluster,
    mqtt: &TestMosquitto,
    vars: &[(&str, &str)],
) -> Arc<[ServiceProcess; 2]> {
    let players = [
        start_player_at(&cluster.url(), mqtt.port(), vars).await,
        start_player_at(&cluster.url(), mqtt.port(), vars).await,
    ];
    for player in &players {
        player.wait_until_ready().await;
    }
    Arc::new(players)
}

/// Waits until each instance plays so many lanes.
async fn wait_for_owners(cluster: &RedisCluster, players: &[ServiceProcess; 2], expected: [usize; 2]) {
    eventually_ok("the lanes are shared", async || {
        let mut clients = HashMap::new();
        let mut owners: Vec<String> = Vec::new();
        for partition in Partition::all() {
            let node = cluster.owner(partition.slot()).await;
            let client = match clients.entry(node) {
                Entry::Occupied(client) => client.into_mut(),
                Entry::Vacant(place) => place.insert(cluster.nodes[node].client().await),
            };
            let key = Key::TimelinePartitions(partition).name(Layout::Cluster);
            owners.extend(client.hvals::<Vec<String>, _>(key).await.unwrap_or_default());
        }
        let count = |player: &ServiceProcess| {
            let prefix = format!("{}-", player.pid());
            owners.iter().filter(|owner| owner.starts_with(&prefix)).count()
        };
        let counts = [count(&players[0]), count(&players[1])];
        if counts == expected { Ok(()) } else { Err(format!("{counts:?}")) }
    })
    .await;
}

async fn commands(cluster: &RedisCluster) -> Vec<u64> {
    let mut counts = Vec::new();
    for node in &cluster.nodes[..3] {
        counts.push(commands_of(node).await);
    }
    counts
}

/// The scripts that a node has run.
async fn commands_of(node: &test_support::TestRedis) -> u64 {
    let info: String = node.client().await.info(Some(InfoKind::CommandStats)).await.unwrap();
    let calls = |stats: &str| stats.split(',').next()?.parse().ok();
    info.split("cmdstat_evalsha:calls=").nth(1).and_then(calls).unwrap_or_default()
}

/// What `/ready` said when it was red.
struct Readiness {
    reds: Arc<Mutex<Vec<String>>>,
    /// They end with it.
    _tasks: JoinSet<()>,
}

impl Readiness {
    fn watch(players: &Arc<[ServiceProcess; 2]>) -> Self {
        let (reds, mut tasks) = (Arc::<Mutex<Vec<String>>>::default(), JoinSet::new());
        for number in 0..players.len() {
            let (players, reds) = (Arc::clone(players), Arc::clone(&reds));
            tasks.spawn(async move {
                let client = reqwest::Client::new();
                loop {
                    let asked = client.get(format!("{}/ready", players[number].base_url())).send().await;
                    let answer = asked.expect("an answer of /ready");
                    if answer.status() != 200 {
                        let body = answer.text().await.unwrap_or_default();
                        reds.lock().push(body);
                    }
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            });
        }
        Self { reds, _tasks: tasks }
    }

    /// Since the last call it was red because of the shards at these ports only.
    fn assert_only(&self, ports: &[u16]) {
        let reds = std::mem::take(&mut *self.reds.lock());
        let names: Vec<String> = ports.iter().map(|port| format!("shard of 127.0.0.1:{port}")).collect();
        let is_of_others = |red: &&String| !names.iter().any(|name| red.contains(name));
        assert_eq!(reds.iter().find(is_of_others), None, "{} times red", reds.len());
    }
}

/// Posts walks to both instances in turn, some ten a second, each of another customer.
struct Load {
    accepted: Arc<Mutex<HashSet<String>>>,
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

impl Load {
    fn start(players: &Arc<[ServiceProcess; 2]>) -> Self {
        let (accepted, stop) = (Arc::<Mutex<HashSet<String>>>::default(), CancellationToken::new());
        // Those of each shard post for its customers, so that one that is away keeps no other waiting.
        let tasks = (0..9).map(|client| {
            let (players, accepted, stop) = (Arc::clone(players), Arc::clone(&accepted), stop.clone());
            // What the last three posted is posted again until it is accepted, and may be late by then.
            let prefix = if client < 6 { TIMED } else { "again" };
            tokio::spawn(async move {
                let http = reqwest::Client::new();
                let names = (0..).map(|number| format!("{prefix}{client}-{number}"));
                for (number, name) in names.filter(|name| shard_of(name) == client % 3).enumerate() {
                    let scenario = walk(&name, now_ms() + 1_500, STEPS, 100);
                    for player in players.iter().cycle().skip(number % 2) {
                        if stop.is_cancelled() {
                            return;
                        }
                        if is_accepted(&http, player, &scenario).await {
                            accepted.lock().insert(name);
                            break;
                        }
                        if is_timed(&name) {
                            break;
                        }
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                    tokio::time::sleep(Duration::from_millis(600)).await;
                }
            })
        });
        Self { tasks: tasks.collect(), accepted, stop }
    }

    async fn wait_for_more(&self, posts: usize) {
        let before = self.accepted.lock().len();
        eventually("more posts are accepted", async || self.accepted.lock().len() >= before + posts).await;
    }

    /// Returns whose posts were accepted.
    async fn finish(self) -> HashSet<String> {
        self.stop.cancel();
        for task in self.tasks {
            task.await.unwrap();
        }
        std::mem::take(&mut *self.accepted.lock())
    }
}
