//! A Redis Cluster: commands find their shard, whatever happens to it.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use fred::clients::Client;
use fred::interfaces::{ClientLike, HashesInterface, KeysInterface, PubsubInterface};
use fred::types::Value;
use fred::types::scripts::Script;
use parking_lot::Mutex;
use redis_core::key::hash_slot;
use redis_core::{Needs, PubSubConnection, Redis, RedisConfig, RedisError, connect};
use test_support::{RedisCluster, TestRedis, eventually, eventually_ok, is_full_size};
use tokio::task::JoinHandle;

use crate::{config, parse, refused};

async fn connect(url: &str) -> (RedisConfig, Redis) {
    let config = config(url);
    let needs = Needs::default().and("SET k", ["SET", "k", "v"]);
    let redis = Redis::connect(&config, needs).unwrap();
    works(&redis).await;
    (config, redis)
}

async fn works(redis: &Redis) {
    eventually_ok("the Cluster works", async || redis.state().borrow().clone()).await;
}

/// A key in this slot.
fn key_in(slot: u16) -> String {
    (0..).map(|number| format!("k{number}")).find(|key| hash_slot(key) == slot).unwrap()
}

async fn set(redis: &Redis, key: &str) -> Result<(), RedisError> {
    redis.run(key, |client| async move { client.set(key, "v", None, None, false).await }).await
}

/// By key, which numbers were acknowledged when.
type Acknowledged = BTreeMap<String, Vec<(u32, Instant)>>;

/// Writers on keys of all shards, each of which sets one field after the other.
struct Load {
    acknowledged: Arc<Mutex<Acknowledged>>,
    errors: Arc<Mutex<Vec<String>>>,
    stop: Arc<AtomicBool>,
    writers: Vec<JoinHandle<()>>,
}

impl Load {
    fn start(redis: &Redis, config: &RedisConfig, keys: Vec<String>) -> Self {
        let (acknowledged, errors, stop) = (Arc::default(), Arc::default(), Arc::default());
        let mut load = Self { acknowledged, errors, stop, writers: Vec::new() };
        for key in keys {
            let (redis, wait) = (redis.clone(), config.wait_replicas());
            let (acknowledged, errors) = (Arc::clone(&load.acknowledged), Arc::clone(&load.errors));
            let stop = Arc::clone(&load.stop);
            load.writers.push(tokio::spawn(async move {
                for number in 0_u32.. {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let key = key.as_str();
                    let written = redis.run(key, |client| async move {
                        wait.confirm(&client, client.hset::<(), _, _>(key, (number.to_string(), "x"))).await
                    });
                    match written.await {
                        Ok(()) => {
                            acknowledged
                                .lock()
                                .entry(key.to_owned())
                                .or_default()
                                .push((number, Instant::now()));
                        }
                        Err(error) => errors.lock().push(error.to_string()),
                    }
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            }));
        }
        load
    }

    fn count(&self, key: &str) -> usize {
        self.acknowledged.lock().get(key).map_or(0, Vec::len)
    }

    async fn acknowledges_more(&self, key: &str) {
        let before = self.count(key);
        eventually("writes are acknowledged", async || self.count(key) > before + 20).await;
    }

    /// How many acknowledged writes of each key are lost, and the longest pause between two.
    async fn finish(self, redis: &Redis) -> BTreeMap<String, (usize, Duration)> {
        self.stop.store(true, Ordering::Relaxed);
        for writer in self.writers {
            writer.await.unwrap();
        }
        let mut found = BTreeMap::new();
        let acknowledged = std::mem::take(&mut *self.acknowledged.lock());
        for (key, writes) in acknowledged {
            let read = key.as_str();
            let kept: HashSet<String> =
                redis.run(read, |client| async move { client.hkeys(read).await }).await.unwrap();
            let lost = writes.iter().filter(|(number, _)| !kept.contains(&number.to_string())).count();
            let pause = writes.windows(2).map(|pair| pair[1].1 - pair[0].1).max().unwrap_or_default();
            found.insert(key, (lost, pause));
        }
        found
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_that_is_killed_stops_no_other_and_writes_that_a_replica_has_are_kept() {
    let mut cluster = RedisCluster::start().await;
    let config = parse(&[format!("--redis-url={}", cluster.url()), "--redis-wait-replicas=1".to_owned()]);
    let redis = Redis::connect(&config, Needs::default()).unwrap();
    works(&redis).await;
    let keys = [key_in(0), key_in(8_000), key_in(16_000)];
    let load = Load::start(&redis, &config, keys.to_vec());
    for key in &keys {
        load.acknowledges_more(key).await;
    }
    let killed = cluster.owner(0).await;
    let address = format!("127.0.0.1:{}", cluster.nodes[killed].port());
    let mut state = redis.state();
    let told = tokio::spawn(async move { state.wait_for(Result::is_err).await.map(|state| state.clone()) });
    cluster.nodes[killed].kill().await;
    load.acknowledges_more(&keys[1]).await;
    load.acknowledges_more(&keys[2]).await;
    let reason = told.await.unwrap().unwrap().unwrap_err();
    assert!(reason.starts_with(&format!("shard of {address} cannot be reached: ")), "{reason}");
    cluster.wait_for_failover(0, killed).await;
    // With WAIT the shard acknowledges nothing before it has a replica again.
    cluster.nodes[killed].restart().await;
    load.acknowledges_more(&keys[0]).await;
    works(&redis).await;
    let found = load.finish(&redis).await;
    println!("killed with REDIS_WAIT_REPLICAS=1 (lost, longest pause): {found:?}");
    assert!(found.values().all(|(lost, _)| *lost == 0), "{found:?}");
    for key in &keys[1..] {
        assert!(found[key].1 < Duration::from_secs(1), "{key} waited for another shard: {found:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_fails_in_a_reshard_with_an_added_node_and_in_a_planned_failover() {
    let mut cluster = RedisCluster::start().await;
    let (config, redis) = connect(&cluster.url()).await;
    let slots = if is_full_size("REDIS_CORE_TEST_FULL") { 4_000 } else { 60 };
    // Slots that are moved, and others.
    let keys: Vec<String> = [0, slots / 2, slots - 1, 5_000, 8_000, 16_000].map(key_in).into();
    let load = Load::start(&redis, &config, keys.clone());
    load.acknowledges_more(&keys[0]).await;
    let (from, to) = (cluster.owner(0).await, cluster.add_node().await);
    cluster.move_slots(slots, from, to).await;
    for key in &keys {
        load.acknowledges_more(key).await;
    }
    assert_eq!(*load.errors.lock(), [""; 0], "errors in the reshard");
    eventually("the new shard is known", async || redis.shards().len() == 4).await;
    let old = cluster.owner(8_000).await;
    cluster.fail_over(old).await;
    for key in &keys {
        load.acknowledges_more(key).await;
    }
    works(&redis).await;
    let errors = load.errors.lock().clone();
    let found = load.finish(&redis).await;
    println!("{slots} slots moved, a planned failover (lost, longest pause): {found:?}; errors {errors:?}");
    assert!(found.values().all(|(lost, _)| *lost == 0), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_slot_is_being_moved_its_keys_are_found_on_both_nodes() {
    let cluster = RedisCluster::start().await;
    let (_, redis) = connect(&cluster.url()).await;
    let (from, to) = (cluster.owner(0).await, cluster.owner(16_000).await);
    let set = async |key: &str| set(&redis, key).await;
    let tag = key_in(0);
    set(&format!("{{{tag}}}before")).await.unwrap();
    cluster.begin_move(0, from, to).await;
    set(&format!("{{{tag}}}before")).await.unwrap();
    set(&format!("{{{tag}}}after")).await.unwrap();
    // A script that this node has never seen.
    let script = Script::from_lua("return redis.call('SET', KEYS[1], ARGV[1]) and 7");
    let key = format!("{{{tag}}}script");
    let (key, script) = (key.as_str(), &script);
    let run =
        |client| async move { script.evalsha_with_reload::<i64, _, _>(&client, vec![key], vec!["v"]).await };
    assert_eq!(redis.run(key, run).await.unwrap(), 7);
    let count = async |number: usize| match cluster.nodes[number].admin("CLUSTER COUNTKEYSINSLOT 0").await {
        Value::Integer(count) => count,
        other => panic!("{other:?}"),
    };
    assert_eq!((count(from).await, count(to).await), (1, 2));
    cluster.finish_move(0, from, to).await;
    assert_eq!((count(from).await, count(to).await), (0, 3));
    for key in ["before", "after", "script"] {
        let key = format!("{{{tag}}}{key}");
        let key = key.as_str();
        let value: String = redis.run(key, |client| async move { client.get(key).await }).await.unwrap();
        assert_eq!(value, "v");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_moves_to_another_node_when_its_node_is_killed() {
    let mut cluster = RedisCluster::start().await;
    let (_, redis) = connect(&cluster.url()).await;
    let subscriber = redis.subscriber().unwrap();
    let messages = Mutex::new(subscriber.message_rx());
    eventually_ok("it is connected", async || subscriber.state().borrow().clone()).await;
    subscriber.subscribe(vec!["news".to_owned()]).await.unwrap();
    let pubsub = redis.pubsub(64).unwrap();
    let proven = Mutex::new(pubsub.message_rx());
    proven_subscription(&pubsub).await;
    for round in 0..2 {
        let publisher = cluster.primaries().await[round];
        let client = cluster.nodes[publisher].client().await;
        for (receiver, name) in [(&messages, "the subscriber"), (&proven, "the proven one")] {
            let text = format!("{name} {round}");
            eventually(&format!("{text} hears another node"), async || {
                client.publish::<(), _, _>("news", text.as_str()).await.unwrap();
                let heard = receiver.lock().try_recv();
                heard.is_ok_and(|message| message.value.as_str().as_deref() == Some(&text))
            })
            .await;
        }
        if round == 0 {
            let port = |client: Client| client.active_connections()[0].port;
            // One after the other, for a Cluster that loses most of its primaries, or all of a shard, stays down.
            for port in [port(subscriber.client()), port(pubsub.client())] {
                let number = cluster.nodes.iter().position(|node| node.port() == port).unwrap();
                cluster.nodes[number].kill().await;
                for slot in [0, 8_000, 16_000] {
                    cluster.wait_for_failover(slot, number).await;
                }
                cluster.nodes[number].restart().await;
                cluster.wait_until_stable().await;
            }
            eventually_ok("it is connected", async || subscriber.state().borrow().clone()).await;
            proven_subscription(&pubsub).await;
        }
    }
}

async fn proven_subscription(pubsub: &PubSubConnection) {
    eventually("the subscription stands", async || {
        pubsub.subscribe(&["news".into()]).await.is_ok() && matches!(pubsub.stands().await, Ok(true))
    })
    .await;
}

#[tokio::test]
async fn a_node_of_a_cluster_is_named_where_one_redis_is_asked_for() {
    let cluster = RedisCluster::start().await;
    for node in &cluster.nodes[..3] {
        let url = node.url();
        let plain = config(&url);
        let pool = connect::pool(&plain).unwrap().check(&plain, Needs::default());
        let cluster_url = url.replace("redis://", "redis-cluster://");
        refused(&pool, &format!("{url} is a node of a Redis Cluster; use {cluster_url}")).await;
    }
    let error = connect::pool(&config(&cluster.url())).err().unwrap().to_string();
    assert!(error.ends_with("a single server is needed here, not a Redis Cluster"), "{error}");
}

#[tokio::test]
async fn one_redis_is_a_single_shard_and_no_cluster() {
    let one = TestRedis::start().await;
    let (_, redis) = connect(&one.url()).await;
    let shards = redis.shards();
    assert_eq!((shards.len(), redis.shard_of("any").as_ref()), (1, shards.first()));
    set(&redis, "k").await.unwrap();
    let url = one.url().replace("redis://", "redis-cluster://");
    let error = Redis::connected(&config(&url)).await.err().unwrap().to_string();
    assert!(error.ends_with("Redis is no node of a Redis Cluster; use redis://"), "{error}");
}

#[tokio::test]
async fn a_cluster_is_connected_before_a_command_or_the_reason_is_told() {
    let cluster = RedisCluster::start().await;
    let redis = Redis::connected(&config(&cluster.url())).await.unwrap();
    for key in [0, 8_000, 16_000].map(key_in) {
        set(&redis, &key).await.unwrap();
    }
    assert_eq!(redis.shards().len(), 3);
    drop(cluster);
    eventually("the loss is told", async || redis.state().borrow().is_err()).await;
}
