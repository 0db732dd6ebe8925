//! Connecting to a real redis-server.

use clap::Parser;
use fred::prelude::{ConfigInterface, EventInterface, KeysInterface, PubsubInterface};
use redis_core::{RedisConfig, connect};
use test_support::{FlakyProxy, TestRedis, eventually, free_port};

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    redis: RedisConfig,
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
        connect::connected_pool(&config(&format!("redis://:hush@127.0.0.1:{port}/3"))).await.unwrap_err();
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
    let text = connect::connected_pool(&config(&url)).await.unwrap_err().to_string();
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
