//! A Redis Cluster, over whose shards the lanes of the timeline are spread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use fred::interfaces::{ClientLike, HashesInterface, ServerInterface};
use fred::types::InfoKind;
use futures_util::stream::{self, StreamExt};
use redis_core::{Key, Layout, Partition};
use test_support::{RedisCluster, ServiceProcess, TestMosquitto, eventually, eventually_ok};
use tokio::task::JoinHandle;

use crate::support::{
    Subscriber, get_json, is_full_size, now_ms, post, send, start_player_at, wait_for_empty_timeline, walk,
};

/// Steps carry their due time in milliseconds.
const MOVE_PAYLOAD: (&str, &str) = ("MOVE_PAYLOAD", r#"{"id":{id},"ts":{ts_ms},"x":{x},"y":{y}}"#);
/// What was accepted must survive the loss of a primary.
const WAIT: (&str, &str) = ("REDIS_WAIT_REPLICAS", "1");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accepted_steps_arrive_in_order_through_a_kill_a_reshard_an_added_node_and_a_planned_failover() {
    let (mut cluster, mqtt) = (RedisCluster::start().await, TestMosquitto::start().await);
    let subscriber = Subscriber::start(mqtt.port()).await;
    let players = start_two(&cluster, &mqtt, &[MOVE_PAYLOAD, WAIT]).await;
    let load = Load::start(&players);
    load.wait_for_more(20).await;
    assert_lanes_are_shared(&cluster, &players).await;

    // A primary is killed. The steps of the other shards' customers go on in time.
    let (began_ms, killed) = (now_ms(), cluster.owner(0).await);
    cluster.nodes[killed].kill().await;
    let name = format!("shard of 127.0.0.1:{}", cluster.nodes[killed].port());
    for player in &*players {
        eventually("/ready names the shard", async || {
            let (status, body) = player.get("/ready").await;
            status == 503 && body.contains(&name)
        })
        .await;
    }
    cluster.wait_for_failover(0, killed).await;
    let late_ms = subscriber.lateness_ms(began_ms, |customer| shard_of(customer) > 0);
    println!("a primary killed: steps of other shards at most {late_ms} ms late");
    assert!(late_ms < MAX_LATE_MS, "steps of other shards were {late_ms} ms late");
    // Nothing is accepted that no replica has.
    cluster.nodes[killed].restart().await;
    cluster.wait_until_stable().await;
    for player in &*players {
        player.wait_until_ready().await;
    }
    load.wait_for_more(20).await;

    let (began_ms, from, to) = (now_ms(), cluster.owner(0).await, cluster.add_node().await);
    let slots = if is_full_size() { 4_000 } else { 400 };
    cluster.move_slots(slots, from, to).await;
    println!("{slots} slots moved: at most {} ms late", subscriber.lateness_ms(began_ms, |_| true));
    let began_ms = now_ms();
    cluster.fail_over(cluster.owner(8_000).await).await;
    load.wait_for_more(20).await;
    println!("CLUSTER FAILOVER: at most {} ms late", subscriber.lateness_ms(began_ms, |_| true));

    let customers = load.finish().await;
    let steps = customers * usize::try_from(STEPS).unwrap();
    subscriber.wait_for_steps(steps).await;
    wait_for_empty_timeline(&players[0]).await;
    let (_, repeated) = subscriber.walks();
    println!("{steps} steps of {customers} accepted posts arrived, {repeated} of them twice");
    subscriber.assert_all_in_order(customers, STEPS, steps / 2);
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
    assert_eq!(send(&player, "DELETE", "/scenarios/c7", &serde_json::Value::Null).await.0, 204);
    assert_eq!(get_json(&player, "/scenarios").await.as_array().unwrap().len(), customers - 1);
}

/// The most that a step may be late while another shard is away: what a busy machine takes.
const MAX_LATE_MS: i64 = if cfg!(debug_assertions) { 2_000 } else { 500 };
const STEPS: i64 = 10;

/// The number of the shard that has a customer at first.
fn shard_of(customer: &str) -> usize {
    usize::from(Partition::of(customer).slot() / (16_384 / 3)).min(2)
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

/// Waits until each instance plays half of the lanes.
async fn assert_lanes_are_shared(cluster: &RedisCluster, players: &[ServiceProcess; 2]) {
    let mut clients = Vec::new();
    for node in &cluster.nodes[..3] {
        clients.push(node.client().await);
    }
    eventually_ok("each instance plays half of the lanes", async || {
        let mut owners: Vec<String> = Vec::new();
        for partition in Partition::all() {
            let client = &clients[usize::from(partition.slot() / (16_384 / 3)).min(2)];
            let key = Key::TimelinePartitions(partition).name(Layout::Cluster);
            owners.extend(client.hvals::<Vec<String>, _>(key).await.unwrap());
        }
        let counts = players.iter().map(|player| {
            let prefix = format!("{}-", player.pid());
            owners.iter().filter(|owner| owner.starts_with(&prefix)).count()
        });
        let counts: Vec<usize> = counts.collect();
        if counts == [32, 32] { Ok(()) } else { Err(format!("{counts:?}")) }
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

/// Posts walks to both instances in turn, some ten a second, each again until it is accepted.
struct Load {
    accepted: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Load {
    fn start(players: &Arc<[ServiceProcess; 2]>) -> Self {
        let (accepted, stop) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
        // Those of each shard post for its customers, so that one that is away keeps no other waiting.
        let tasks = (0..9).map(|client| {
            let (players, accepted, stop) = (Arc::clone(players), Arc::clone(&accepted), Arc::clone(&stop));
            tokio::spawn(async move {
                let names = (0..).map(|number| format!("c{client}-{number}"));
                for (number, name) in names.filter(|name| shard_of(name) == client % 3).enumerate() {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let scenario = walk(&name, now_ms() + 1_500, STEPS, 100);
                    while send(&players[number % 2], "POST", "/scenario", &scenario).await.0 != 200 {
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                    accepted.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(600)).await;
                }
            })
        });
        Self { tasks: tasks.collect(), accepted, stop }
    }

    async fn wait_for_more(&self, posts: usize) {
        let before = self.accepted.load(Ordering::Relaxed);
        eventually("more posts are accepted", async || {
            self.accepted.load(Ordering::Relaxed) >= before + posts
        })
        .await;
    }

    /// Returns how many posts were accepted.
    async fn finish(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
        self.accepted.load(Ordering::Relaxed)
    }
}
