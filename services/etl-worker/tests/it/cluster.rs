//! A Redis Cluster: the records of a game are on all shards, its job is in one slot.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use clap::Parser;
use etl_worker::Config;
use fred::clients::Client;
use fred::interfaces::{ClientLike, KeysInterface, PubsubInterface, SortedSetsInterface};
use fred::types::{ClusterHash, CustomCommand, Value};
use futures_util::future::join_all;
use redis_core::key::hash_slot;
use redis_core::{Needs, Redis, WaitReplicas};
use serde_json::json;
use test_support::{RedisCluster, eventually, is_full_size};
use tokio::time::sleep;

use crate::datasets::{FOLDER, end_visit, visit, wait_for_rows};
use crate::support::World;
use crate::tables::{Table, Tables};

/// Where all keys of ours of the built-in dataset are.
fn jobs_slot() -> u16 {
    hash_slot("{etl}:jobs")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_game_is_written_once_through_a_kill_a_reshard_an_added_node_and_a_planned_failover() {
    // On a busy machine a node that lives may be silent for longer than the default of these tests.
    let cluster = RedisCluster::start_with(&["--cluster-node-timeout", "5000"]).await;
    let mut world = World::on_cluster(cluster).await;
    let mut cluster = world.cluster.take().unwrap();
    let vars =
        [("REDIS_WAIT_REPLICAS", "1"), ("ETL_SETTLE", "1s"), ("ETL_LEASE", "2s"), ("ETL_BATCH_MS", "200")];
    let of_many = [&vars[..], &[("ETL_BATCH_GAMES", "50")]].concat();
    let (first, mut second) = tokio::join!(world.start_worker("a", &vars), world.start_worker("b", &of_many));
    let load = Load::start(&cluster).await;
    load.wait_for_more(&world).await;

    let jobs = cluster.owner(jobs_slot()).await;
    cluster.kill_without_failover(jobs).await;
    eventually("/ready names the shard", async || {
        let (status, body) = first.get("/ready").await;
        status == 503 && body.contains(&format!("shard of 127.0.0.1:{}", cluster.nodes[jobs].port()))
    })
    .await;
    cluster.allow_failover().await;
    cluster.wait_for_failover(jobs_slot(), jobs).await;
    second.kill().await;
    cluster.nodes[jobs].restart().await;
    cluster.wait_until_stable().await;
    second = world.start_worker("b", &of_many).await;
    load.wait_for_more(&world).await;

    // An added shard has a replica too, or it would acknowledge nothing.
    let (to, replica) = (cluster.add_node().await, cluster.add_node().await);
    let id = cluster.id(to).await;
    cluster.nodes[replica].admin(&format!("CLUSTER REPLICATE {id}")).await;
    cluster.wait_until_stable().await;
    let from = cluster.owner(jobs_slot()).await;
    cluster.begin_move(jobs_slot(), from, to).await;
    load.wait_for_more_games().await;
    cluster.finish_move(jobs_slot(), from, to).await;
    cluster.move_slots(if is_full_size("ETL_WORKER_TEST_FULL") { 4_000 } else { 40 }, from, to).await;
    load.wait_for_more(&world).await;

    cluster.fail_over(cluster.owner(hash_slot("games:participants")).await).await;
    load.wait_for_more(&world).await;

    let games = load.finish().await;
    println!("{} games", games.games().len());
    world = world.at(cluster).await;
    first.wait_until_ready().await;
    second.wait_until_ready().await;
    world.wait_until_written(&games).await;
    world.wait_until_cleaned_up().await;
    assert_eq!(world.client.exists::<u64, _>(world.key("etl:dead")).await.unwrap(), 0);
}

#[tokio::test]
async fn records_that_a_worker_did_not_come_to_remove_are_removed_by_another() {
    let world = World::on_cluster(RedisCluster::start().await).await;
    let vars = [("ETL_SETTLE", "1s"), ("ETL_LEASE", "10s")];
    let mut first = world.start_worker("first", &vars).await;
    let mut expected = world.play_small_game("g1").await;
    expected.add(world.play_small_game("half-removed").await);
    world.publish_game_ended("g1").await;
    world.publish_game_ended("half-removed").await;
    world.wait_until_written(&expected).await;
    first.kill().await;
    // It died in the middle of the removal, too.
    let (client, marks) = (&world.client, world.key("etl:cleaning"));
    client.del::<(), _>("games:half-removed:logs").await.unwrap();
    client.zrem::<(), _, _>("games:participants", "half-removed").await.unwrap();
    assert_eq!(client.zcard::<u64, _>(&marks).await.unwrap(), 2);
    for record in ["", ":logs", ":status", ":superheros:ann"] {
        assert_eq!(client.ttl::<i64, _>(format!("games:g1{record}")).await.unwrap(), -1, "{record}");
    }

    let second = world.start_worker("second", &vars).await;
    world.wait_until_cleaned_up().await;
    world.wait_until_written(&expected).await;
    assert_eq!(second.metric("etl_worker_parts_total").await, 0.0);
    assert!(client.ttl::<i64, _>(world.key("etl:game:g1")).await.unwrap() > 80_000);
}

#[tokio::test]
async fn while_a_shard_is_away_the_sessions_of_others_are_written() {
    let world = World::on_cluster(RedisCluster::start().await).await;
    let cluster = world.cluster.as_ref().unwrap();
    let dataset = format!("{FOLDER}visits.toml");
    let worker = world.start_worker("w", &[("ETL_DATASET", &dataset), ("ETL_LEASE", "1s")]).await;
    // The jobs of the dataset are in slot 10,104, on the second shard; these visits in 1,744, 7,762 and 16,049.
    let [there, too, away] = ["v0", "v3", "v1"];
    let mut rows = [visit(&world, there).await, visit(&world, too).await].concat();
    let later = visit(&world, away).await;
    let shard = [2, 5].map(|node| &cluster.nodes[node]);
    for node in shard {
        node.pause().await;
    }
    let publisher = cluster.nodes[1].client().await;
    let end = async |visit: &str| {
        let message = json!({"kind": "end", "visit": visit}).to_string();
        publisher.publish::<(), _, _>("web.visits", message).await.unwrap();
    };
    let written = world.key("etl:visits:game:");
    eventually("the others are written", async || {
        for visit in [there, too, away] {
            end(visit).await;
        }
        let states =
            publisher.custom::<Vec<String>, _>(fred::cmd!("KEYS"), vec![format!("{written}*")]).await;
        states.unwrap().len() == 2 && worker.metric("etl_worker_backlog_jobs").await == 0.0
    })
    .await;
    wait_for_rows(&world, "PAGE_VIEWS", rows.clone()).await;
    // They may be written before it is seen that the shard does not answer.
    let address = format!("127.0.0.1:{}", cluster.nodes[2].port());
    eventually("/ready names the shard that is away", async || {
        let (status, body) = worker.get("/ready").await;
        status == 503 && body.contains(&address)
    })
    .await;

    for node in shard {
        node.resume().await;
    }
    worker.wait_until_ready().await;
    rows.extend(later);
    end_visit(&world, away).await;
    wait_for_rows(&world, "PAGE_VIEWS", rows).await;
    assert_eq!(worker.metric("etl_worker_jobs_total{result=\"failed\"}").await, 0.0);
}

/// Game servers that have each record of a game on a replica before they write the next.
struct Load {
    stop: Arc<AtomicBool>,
    played: Arc<AtomicUsize>,
    servers: Vec<tokio::task::JoinHandle<Vec<String>>>,
}

impl Load {
    async fn start(cluster: &RedisCluster) -> Self {
        let url = format!("--redis-url={}", cluster.url());
        let args = ["etl-worker", &url, "--redis-wait-replicas=1", "--listen-addr=:0"];
        let config = Config::parse_from(args).redis;
        let redis = Redis::connect(&config, Needs::default()).unwrap();
        let (stop, played) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let servers = (0..2).map(|server| {
            let (redis, stop, played) = (redis.clone(), Arc::clone(&stop), Arc::clone(&played));
            let wait_replicas = config.wait_replicas();
            tokio::spawn(async move {
                let mut games = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let game = format!("g{server}-{}", games.len());
                    play(&redis, wait_replicas, &game).await;
                    played.fetch_add(1, Ordering::Relaxed);
                    games.push(game);
                }
                games
            })
        });
        let servers = servers.collect();
        Self { stop, played, servers }
    }

    async fn wait_for_more(&self, world: &World) {
        let before = world.files(Table::Podium).len();
        eventually("games are written", async || world.files(Table::Podium).len() > before + 20).await;
    }

    /// Games that have been played, whether or not they are written.
    async fn wait_for_more_games(&self) {
        let before = self.played.load(Ordering::Relaxed);
        eventually("games are played", async || self.played.load(Ordering::Relaxed) > before + 10).await;
    }

    /// The tables of all games.
    async fn finish(self) -> Tables {
        self.stop.store(true, Ordering::Relaxed);
        let mut tables = Tables::default();
        for game in join_all(self.servers).await.into_iter().flat_map(Result::unwrap) {
            let player = |user: &str| (game.clone(), user.to_owned());
            tables.meta.extend([(player("ann"), 7), (player("bob"), 9)]);
            tables.podium.extend([(player("ann"), [1, 1, 0, 10]), (player("bob"), [2, 0, 10, 0])]);
        }
        tables
    }
}

/// Plays a small game to its end. Each step is repeated until it is acknowledged, and changes nothing the second time.
async fn play(redis: &Redis, wait_replicas: WaitReplicas, game: &str) {
    let entry = json!({
        "TIMESTAMP": "2022-10-01T12:00:00Z",
        "PAYLOAD": {"GAME_TOKEN": game, "USER_TOKEN": "ann"},
        "STATUS": {"ACTION": "ATTACK", "DETAILS": {
            "ENEMY_TOKEN": "bob", "ENEMY_DAMAGE": 10, "ENEMY_HEALTH_PRIOR": 10, "ENEMY_HEALTH_POST": 0,
        }},
    });
    let ended = json!({"log_message": "Cleaning Game Records", "task": {"game_token": game}});
    let (entry, ended) = (entry.to_string(), ended.to_string());
    let key = |suffix: &str| format!("games:{game}{suffix}");
    let steps: [(&'static str, String, &[&str]); 8] = [
        ("SADD", key(""), &["ann", "bob"]),
        ("HSET", key(":superheros:ann"), &["id", "7", "health", "50"]),
        ("HSET", key(":superheros:bob"), &["id", "9", "health", "0"]),
        ("SET", key(":participants"), &["2"]),
        ("EVAL", key(":logs"), &[&entry]),
        ("ZADD", "games:participants".to_owned(), &["2", game]),
        ("SET", key(":status"), &["Completed"]),
        ("PUBLISH", "CLEAN".to_owned(), &[&ended]),
    ];
    for (name, key, args) in &steps {
        let script: &[&str] = if *name == "EVAL" { &[LOG, "1"] } else { &[] };
        let args = &[script, &[key.as_str()], args].concat();
        let step = |client: Client| async move {
            let command = CustomCommand::new_static(name, ClusterHash::FirstKey, false);
            let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
            wait_replicas.confirm(&client, client.custom::<Value, _>(command, args)).await
        };
        while redis.run(key, step).await.is_err() {
            sleep(Duration::from_millis(50)).await;
        }
    }
}

/// A log of one entry.
const LOG: &str = "redis.call('DEL', KEYS[1]) return redis.call('RPUSH', KEYS[1], ARGV[1])";
