//! The permissions that the README names, and no others.

use fred::clients::{Client, Pool, SubscriberClient};
use fred::interfaces::{HashesInterface, PubsubInterface};
use fred::types::Value;
use futures_util::future::join_all;
use redis_core::{Connection, Needs, Redis, connect};
use test_support::{RedisCluster, TestRedis, TestSentinel, eventually, eventually_ok, redis_versions};

use crate::{healed, parse};

/// The line of the README that begins so.
fn line(start: &str) -> &'static str {
    include_str!("../../README.md").lines().find(|line| line.starts_with(start)).unwrap()
}

fn setuser() -> String {
    let own = "+hset +publish +subscribe ~battery:* resetchannels &battery:*";
    format!("ACL SETUSER app on >SECRET resetkeys -@all {own} {}", line("~backplane:check "))
}

async fn connect(url: String, more: &[&str]) -> (Connection<Pool>, Connection<SubscriberClient>) {
    let args: Vec<String> =
        [format!("--redis-url={url}")].into_iter().chain(more.iter().map(ToString::to_string)).collect();
    let config = parse(&args);
    let needs = Needs::default().and("HSET battery:*", ["HSET", "battery:1:data", "field", "value"]);
    let pool = connect::pool(&config).unwrap().check(&config, needs);
    let subscriber = connect::subscriber(&config).unwrap();
    healed(&pool).await;
    eventually_ok("the subscriber is connected", async || subscriber.state.borrow().clone()).await;
    subscriber.client.subscribe("battery:1:data").await.unwrap();
    let client = pool.client.next();
    let write = client.hset::<(), _, _>("battery:1:data", ("field", "value"));
    config.wait_replicas().confirm(client, write).await.unwrap();
    (pool, subscriber)
}

fn is_empty(log: &Value) -> bool {
    matches!(log, Value::Array(entries) if entries.is_empty())
}

#[tokio::test]
async fn a_user_needs_only_what_the_readme_says_on_each_version_of_redis() {
    for (name, binary) in redis_versions() {
        let redis = TestRedis::start_binary(&binary, &[]).await;
        redis.admin(&setuser()).await;
        let url = format!("redis://app:SECRET@127.0.0.1:{}/1", redis.port());
        let _connections = connect(url, &[]).await;
        let log = redis.admin("ACL LOG").await;
        assert!(is_empty(&log), "{name} refused {log:?}");
    }
}

#[tokio::test]
async fn on_a_cluster_too_on_each_version_of_redis() {
    let runs = redis_versions().into_iter().map(async |(name, binary)| {
        let cluster = RedisCluster::start_binary(&binary, &[]).await;
        // Redis 6.2 has no permissions for single commands of CLUSTER.
        let single = line("+cluster|slots ");
        let rules = if name == "REDIS_6_2" { "+cluster +asking" } else { single };
        for node in &cluster.nodes {
            node.admin(&format!("{} {rules}", setuser())).await;
        }
        let url = cluster.url().replace("redis-cluster://", "redis-cluster://app:SECRET@");
        let config = parse(&[format!("--redis-url={url}"), "--redis-wait-replicas=1".to_owned()]);
        let needs = Needs::default().and("HSET battery:*", ["HSET", "battery:1:data", "field", "value"]);
        let redis = Redis::connect(&config, needs).unwrap();
        eventually_ok("the Cluster works", async || redis.state().borrow().clone()).await;
        let subscriber = redis.subscriber().unwrap();
        eventually_ok("the subscriber is connected", async || subscriber.state().borrow().clone()).await;
        subscriber.subscribe(vec!["battery:1:data".to_owned()]).await.unwrap();
        for number in 0..20 {
            let (key, wait) = (format!("battery:{number}:data"), config.wait_replicas());
            let key = key.as_str();
            let write = |client: Client| async move {
                wait.confirm(&client, client.hset::<(), _, _>(key, ("field", "value"))).await
            };
            redis.run(key, write).await.unwrap();
        }
        for node in &cluster.nodes {
            let log = node.admin("ACL LOG").await;
            assert!(is_empty(&log), "{name} refused {log:?}");
        }
        for node in &cluster.nodes {
            node.admin("ACL SETUSER app -hset").await;
        }
        eventually("the refusal is told", async || {
            let state = redis.state().borrow().clone();
            state.is_err_and(|reason| reason.ends_with("user app may not HSET battery:*"))
        })
        .await;
    });
    join_all(runs).await;
}

#[tokio::test]
async fn a_user_who_may_not_multi_is_told_because_refusals_could_not_be_seen() {
    let redis = TestRedis::start().await;
    redis.admin(&format!("{} -multi", setuser())).await;
    let config = parse(&[format!("--redis-url=redis://app:SECRET@127.0.0.1:{}/1", redis.port())]);
    let pool = connect::pool(&config).unwrap().check(&config, Needs::default());
    eventually("the refusal is told", async || {
        pool.state.borrow().clone().is_err_and(|reason| reason.starts_with("user app may not MULTI, "))
    })
    .await;
    redis.admin("ACL SETUSER app +multi").await;
    healed(&pool).await;
}

#[tokio::test]
async fn behind_sentinel_too_and_on_the_sentinels() {
    let redis = TestSentinel::start(2).await;
    for server in &redis.servers {
        server.admin(&setuser()).await;
    }
    redis.admin(&format!("ACL SETUSER watcher on >KEY {}", line("resetchannels &* "))).await;
    let url = redis.url().replace("redis-sentinel://", "redis-sentinel://app:SECRET@");
    let url = format!("{url}&sentinelUsername=watcher&sentinelPassword=KEY");
    let _connections = connect(url, &["--redis-wait-replicas=1"]).await;
    redis.fail_over().await;
    let mut logs = redis.admin("ACL LOG").await;
    for server in &redis.servers {
        logs.push(server.admin("ACL LOG").await);
    }
    assert!(logs.iter().all(is_empty), "refused {logs:?}");
}
