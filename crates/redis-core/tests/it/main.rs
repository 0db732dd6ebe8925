//! Connecting to a real redis-server.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod acl;
mod cluster;
mod failover;
mod pubsub;
mod refusals;
mod servers;

use clap::Parser;
use fred::interfaces::{ClientLike, ConfigInterface, EventInterface, KeysInterface, PubsubInterface};
use fred::types::{CustomCommand, Value};
use parking_lot::Mutex;
use redis_core::{Needs, RedisConfig, State, connect};
use test_support::{FlakyProxy, TestRedis, eventually, eventually_ok, free_port};
use tokio::sync::watch;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    redis: RedisConfig,
}

fn parse(args: &[String]) -> RedisConfig {
    Cli::parse_from(["test".to_owned()].iter().chain(args)).redis
}

fn config(url: &str) -> RedisConfig {
    Cli::parse_from(["test", &format!("--redis-url={url}")]).redis
}

#[tokio::test]
async fn a_pool_that_starts_before_redis_does_connects_by_itself() {
    let mut redis = TestRedis::start().await;
    redis.kill().await;
    let pool = connect::pool(&config(&redis.url())).unwrap();
    eventually("the refusal is told", async || {
        pool.state.borrow().clone().is_err_and(|reason| reason.contains("refused"))
    })
    .await;
    redis.restart().await;
    eventually("the pool stands", async || pool.state.borrow().is_ok()).await;
    pool.client.set::<(), _, _>("k", "v", None, None, false).await.unwrap();
}

#[tokio::test]
async fn a_cut_is_seen_and_healed_without_a_limit() {
    let redis = TestRedis::start().await;
    let proxy = FlakyProxy::start(redis.port()).await;
    let pool = connect::pool(&config(&format!("redis://127.0.0.1:{}", proxy.port()))).unwrap();
    for _ in 0..3 {
        eventually("the pool stands", async || pool.state.borrow().is_ok()).await;
        proxy.cut();
        eventually("the cut is seen", async || pool.state.borrow().is_err()).await;
        proxy.restore();
    }
    eventually("a command succeeds", async || pool.client.get::<Option<String>, _>("k").await.is_ok()).await;
}

#[tokio::test]
async fn a_server_that_stops_answering_counts_as_lost() {
    let redis = TestRedis::start().await;
    let proxy = FlakyProxy::start(redis.port()).await;
    let pool = connect::pool(&config(&format!("redis://127.0.0.1:{}", proxy.port()))).unwrap();
    eventually("the pool stands", async || pool.state.borrow().is_ok()).await;
    proxy.stall();
    assert!(pool.client.get::<Option<String>, _>("k").await.is_err());
    proxy.restore();
    eventually("a command succeeds", async || pool.client.get::<Option<String>, _>("k").await.is_ok()).await;
}

#[tokio::test]
async fn a_one_shot_connect_fails_with_the_server_and_the_reason() {
    let port = free_port();
    let error =
        connect::connected(&config(&format!("redis://:hush@127.0.0.1:{port}/3"))).await.err().unwrap();
    let text = error.to_string();
    assert!(text.starts_with(&format!("connect to redis at 127.0.0.1:{port}/3: ")), "{text}");
    assert!(!text.contains("hush"), "{text}");
}

#[tokio::test]
async fn a_wrong_password_is_told_and_heals_when_it_becomes_right() {
    let redis = TestRedis::start().await;
    let admin = redis.client().await;
    admin.config_set("requirepass", "right").await.unwrap();
    let url = format!("redis://:hush@127.0.0.1:{}", redis.port());
    let text = connect::connected(&config(&url)).await.err().unwrap().to_string();
    assert!(text.contains("WRONGPASS") && !text.contains("hush"), "{text}");

    let pool = connect::pool(&config(&url)).unwrap();
    eventually("the refusal is told", async || {
        pool.state.borrow().clone().is_err_and(|reason| reason.contains("WRONGPASS"))
    })
    .await;
    admin.config_set("requirepass", "hush").await.unwrap();
    eventually("the pool stands", async || pool.state.borrow().is_ok()).await;
}

#[tokio::test]
async fn subscriptions_are_made_again_after_a_cut() {
    let redis = TestRedis::start().await;
    let proxy = FlakyProxy::start(redis.port()).await;
    let subscriber = connect::subscriber(&config(&format!("redis://127.0.0.1:{}", proxy.port()))).unwrap();
    eventually("the subscriber stands", async || subscriber.state.borrow().is_ok()).await;
    subscriber.client.subscribe("news").await.unwrap();
    proxy.cut();
    eventually("the cut is seen", async || subscriber.state.borrow().is_err()).await;
    proxy.restore();
    let mut messages = subscriber.client.message_rx();
    let publisher = redis.client().await;
    eventually("the channel is heard again", async || {
        publisher.publish::<i64, _, _>("news", "hello").await.unwrap() == 1
    })
    .await;
    assert_eq!(messages.recv().await.unwrap().value.as_str().as_deref(), Some("hello"));
}

/// A connection whose service would write one key and publish to one channel.
fn checked(url: &str) -> connect::Connection<fred::clients::Pool> {
    let needs = Needs::default()
        .and("HSET battery:*", ["HSET", "battery:1:data", "field", "value"])
        .and("PUBLISH to battery:*", ["PUBLISH", "battery:1:data", "updates"]);
    connect::pool(&config(url)).expect("the configuration is usable").check(&config(url), needs)
}

/// Waits for the state to say this, as an error.
async fn refused(pool: &connect::Connection<fred::clients::Pool>, wanted: &str) {
    eventually(wanted, async || pool.state.borrow().clone().is_err_and(|reason| reason.contains(wanted)))
        .await;
}

async fn healed(pool: &connect::Connection<fred::clients::Pool>) {
    eventually_ok("the pool works", async || pool.state.borrow().clone()).await;
}

#[tokio::test]
async fn a_server_that_refuses_is_seen_without_a_command_of_the_service() {
    let redis = TestRedis::start().await;
    let admin = redis.client().await;
    let pool = checked(&redis.url());
    healed(&pool).await;

    let command = |words: &'static str| {
        let words: Vec<&str> = words.split(' ').collect();
        let name = CustomCommand::new(words[0], None, false);
        admin.custom::<Value, _>(name, words[1..].to_vec())
    };
    command("REPLICAOF 127.0.0.1 1").await.unwrap();
    refused(&pool, "Redis is a read-only replica").await;
    command("REPLICAOF NO ONE").await.unwrap();
    healed(&pool).await;

    command("CONFIG SET maxmemory 1").await.unwrap();
    refused(&pool, "Redis is out of memory").await;
    command("CONFIG SET maxmemory 0").await.unwrap();
    healed(&pool).await;

    command("CONFIG SET min-replicas-to-write 1").await.unwrap();
    refused(&pool, "fewer replicas").await;
    command("CONFIG SET min-replicas-to-write 0").await.unwrap();
    healed(&pool).await;

    command("ACL SETUSER default -hset").await.unwrap();
    refused(&pool, "user default may not HSET battery:*").await;
    command("ACL SETUSER default +hset resetchannels").await.unwrap();
    refused(&pool, "user default may not PUBLISH to battery:*").await;
    command("ACL SETUSER default allchannels").await.unwrap();
    healed(&pool).await;

    command("CLIENT PAUSE 5000").await.unwrap();
    refused(&pool, "did not answer").await;
    healed(&pool).await;
    let keys: Vec<String> = admin.custom(CustomCommand::new("KEYS", None, false), vec!["*"]).await.unwrap();
    assert!(keys.is_empty(), "the check wrote {keys:?}");
}

#[tokio::test]
async fn a_connection_is_left_when_its_server_became_a_replica_and_new_ones_reach_the_primary() {
    let (old, new) = (TestRedis::start().await, TestRedis::start().await);
    let endpoint = FlakyProxy::start(old.port()).await;
    let pool = checked(&format!("redis://127.0.0.1:{}", endpoint.port()));
    healed(&pool).await;
    let admin = old.client().await;
    endpoint.redirect(new.port());
    let (host, port) = ("127.0.0.1", new.port().to_string());
    admin.custom::<Value, _>(CustomCommand::new("REPLICAOF", None, false), vec![host, &port]).await.unwrap();
    refused(&pool, "read-only replica").await;
    healed(&pool).await;
    pool.client.set::<(), _, _>("k", "v", None, None, false).await.unwrap();
    assert_eq!(new.client().await.get::<String, _>("k").await.unwrap(), "v");
}

#[tokio::test]
async fn idle_connections_survive_a_server_that_closes_idle_ones() {
    let redis = TestRedis::start().await;
    redis.client().await.config_set("timeout", "3").await.unwrap();
    let pool = checked(&redis.url());
    let subscriber = connect::subscriber(&config(&redis.url())).unwrap();
    healed(&pool).await;
    eventually("the subscriber is connected", async || subscriber.state.borrow().is_ok()).await;
    let mut states = [pool.state.clone(), subscriber.state.clone()];
    for state in &mut states {
        state.borrow_and_update();
    }
    // The server looks for idle clients once a second: five are enough to be found.
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    for state in &states {
        assert!(!state.has_changed().unwrap(), "{:?}", *state.borrow());
    }
}

#[tokio::test]
async fn a_policy_that_may_evict_is_noted() {
    let redis = TestRedis::start().await;
    let admin = redis.client().await;
    admin.config_set("maxmemory", "100mb").await.unwrap();
    admin.config_set("maxmemory-policy", "allkeys-lru").await.unwrap();
    let pool = checked(&redis.url());
    eventually("the note is there", async || {
        matches!(&*pool.state.borrow(), Ok(Some(note)) if note.contains("maxmemory-policy is allkeys-lru"))
    })
    .await;
}

#[tokio::test]
async fn a_write_is_confirmed_when_enough_replicas_have_it() {
    let (primary, replica) = (TestRedis::start().await, TestRedis::start().await);
    let url = primary.url();
    let waiting = Cli::parse_from(["test", &format!("--redis-url={url}"), "--redis-wait-replicas=1"]).redis;
    let pool = connect::pool(&waiting).unwrap().check(&waiting, Needs::default());
    refused(&pool, "only 0 of 1 replicas have the write (REDIS_WAIT_REPLICAS)").await;
    let client = pool.client.next();
    let write = async || {
        let set = client.set::<(), _, _>("k", "v", None, None, false);
        waiting.wait_replicas().confirm(client, set).await
    };
    let error = write().await.unwrap_err();
    assert_eq!(redis_core::ErrorClass::of(&error), redis_core::ErrorClass::CannotWrite, "{error}");
    let (host, port) = ("127.0.0.1", primary.port().to_string());
    let admin = replica.client().await;
    admin.custom::<Value, _>(CustomCommand::new("REPLICAOF", None, false), vec![host, &port]).await.unwrap();
    eventually("the replica has the write", async || write().await.is_ok()).await;
    assert_eq!(admin.get::<String, _>("k").await.unwrap(), "v");
    healed(&pool).await;
}

#[tokio::test]
async fn half_open_connections_are_found_and_replaced() {
    let redis = TestRedis::start().await;
    let proxy = FlakyProxy::start(redis.port()).await;
    let url = format!("redis://127.0.0.1:{}", proxy.port());
    let pool = checked(&url);
    let subscriber = connect::subscriber(&config(&url)).unwrap();
    healed(&pool).await;
    eventually("the subscriber is connected", async || subscriber.state.borrow().is_ok()).await;
    subscriber.client.subscribe("news").await.unwrap();
    proxy.forget();
    let (mut commands, mut messages) = (pool.state.clone(), subscriber.state.clone());
    let seen = async |state: &mut watch::Receiver<State>| state.wait_for(State::is_err).await.is_ok();
    assert_eq!(tokio::join!(seen(&mut commands), seen(&mut messages)), (true, true));
    healed(&pool).await;
    eventually("the subscriber is connected", async || subscriber.state.borrow().is_ok()).await;
    pool.client.set::<(), _, _>("k", "v", None, None, false).await.unwrap();
    let (publisher, arrived) = (redis.client().await, Mutex::new(subscriber.client.message_rx()));
    eventually("the channel is subscribed again", async || {
        publisher.publish::<(), _, _>("news", "hello").await.unwrap();
        arrived.lock().try_recv().is_ok()
    })
    .await;
}
