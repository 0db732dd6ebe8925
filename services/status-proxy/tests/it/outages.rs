//! Redis goes and comes.

use std::time::{Duration, Instant};

use test_support::{FlakyProxy, TestRedis, eventually};

use crate::world::{Producer, Viewer, service, size};

/// Redis is killed while lines are published as fast as they can be, and comes back after a while.
async fn resumes_after_a_kill(history: &str, down: Duration) {
    let mut redis = TestRedis::start().await;
    let service = service(&redis, &[("STATUS_HISTORY", history), ("STATUS_PING_INTERVAL", "1s")]).await;
    let (mut plain, mut resuming) =
        (Viewer::of(&service, "r:a").await, Viewer::of(&service, "r:a?history=0").await);
    resuming.text().await;
    let producer = Producer::of(&redis).await;
    let load = tokio::spawn(async move {
        let mut number = 0;
        while producer.try_publish("r:a", number.to_string()).await {
            number += 1;
        }
    });
    for number in 0..100 {
        assert_eq!(plain.line().await, number.to_string());
    }
    redis.kill().await;
    load.await.unwrap();
    tokio::time::sleep(down).await;
    redis.restart().await;
    let begin = Instant::now();
    let producer = Producer::of(&redis).await;
    eventually("a line is heard again", async || producer.publish("r:a", "after").await == 1).await;
    eprintln!("{history}: subscribed again {:?} after Redis came back", begin.elapsed());

    let mut number = 100;
    let last = loop {
        let line = plain.line().await;
        if line == "after" {
            break number;
        }
        assert_eq!(line, number.to_string(), "a client that did not ask is told of no gap");
        number += 1;
    };
    let mut id = serde_json::Value::Null;
    for number in 0..last {
        let frame = resuming.json().await;
        assert_eq!(frame["data"], number.to_string());
        id = frame["id"].clone();
    }
    assert_eq!(resuming.text().await, r#"{"type":"gap"}"#);
    assert_eq!(resuming.line_past_gaps().await, "after");
    let mut late = Viewer::of(&service, &format!("r:a?since={}", id.as_str().unwrap())).await;
    assert_eq!(late.text().await, r#"{"type":"resume","recovered":false}"#);
    assert_eq!(late.line().await, "after");
    assert_eq!(service.metric("status_proxy_connections_closed_total").await, 0.0, "no socket was closed");
}

#[tokio::test]
async fn a_kill_of_redis_closes_no_socket_and_the_gap_is_announced() {
    resumes_after_a_kill("memory", Duration::from_secs(size("DOWN", 2) as u64)).await;
}

#[tokio::test]
async fn a_kill_of_redis_with_history_in_redis_is_announced_too() {
    resumes_after_a_kill("redis", Duration::from_secs(size("DOWN", 2) as u64)).await;
}

#[tokio::test]
async fn a_client_that_comes_while_redis_is_away_waits_and_is_served_when_it_is_back() {
    let mut redis = TestRedis::start().await;
    let service = service(&redis, &[]).await;
    redis.kill().await;
    eventually("not ready", async || service.get("/ready").await.0 == 503).await;
    let port = service.port();
    let coming = tokio::spawn(async move { Viewer::at(port, "r:a").await.unwrap() });
    redis.restart().await;
    let mut viewer = coming.await.unwrap();
    service.wait_until_ready().await;
    Producer::of(&redis).await.publish("r:a", "x").await;
    assert_eq!(viewer.line().await, "x");
}

#[tokio::test]
async fn a_client_is_told_to_come_back_when_redis_stays_away() {
    let mut redis = TestRedis::start().await;
    let service = service(&redis, &[("STATUS_HANDSHAKE_TIMEOUT", "500ms")]).await;
    redis.kill().await;
    eventually("not ready", async || service.get("/ready").await.0 == 503).await;
    assert_eq!(Viewer::refusal(service.port(), "r:a", &[]).await, 503);
    assert_eq!(service.get("/health").await.0, 200);
}

#[tokio::test]
async fn a_connection_that_is_dead_without_a_word_is_found_by_the_probe() {
    let redis = TestRedis::start().await;
    let proxy = FlakyProxy::start(redis.port()).await;
    let url = format!("redis://127.0.0.1:{}", proxy.port());
    let service = service(&redis, &[("REDIS_URL", &url)]).await;
    let producer = Producer::of(&redis).await;
    let mut viewer = Viewer::of(&service, "r:a?history=0").await;
    viewer.text().await;
    proxy.stall();
    eventually("the subscription is given up", async || {
        service.get("/ready").await.1.contains("subscription")
    })
    .await;
    proxy.restore();
    service.wait_until_ready().await;
    assert_eq!(viewer.text().await, r#"{"type":"gap"}"#);
    producer.publish("r:a", "after").await;
    assert_eq!(viewer.line_past_gaps().await, "after");
}

#[tokio::test]
async fn a_cut_that_another_instance_did_not_feel_is_closed_from_the_recording() {
    let redis = TestRedis::start().await;
    let proxy = FlakyProxy::start(redis.port()).await;
    let url = format!("redis://127.0.0.1:{}", proxy.port());
    let recorder = service(&redis, &[("STATUS_HISTORY", "redis")]).await;
    eventually("it records", async || recorder.metric("status_proxy_is_recorder").await == 1.0).await;
    let behind = service(&redis, &[("STATUS_HISTORY", "redis"), ("REDIS_URL", &url)]).await;
    let producer = Producer::of(&redis).await;
    let mut viewer = Viewer::of(&behind, "r:a?history=0").await;
    viewer.text().await;
    let mut plain = Viewer::of(&behind, "r:a").await;
    for number in 0..10 {
        producer.publish("r:a", number.to_string()).await;
    }
    proxy.cut();
    eventually("not ready", async || behind.get("/ready").await.0 == 503).await;
    for number in 10..30 {
        producer.publish("r:a", number.to_string()).await;
    }
    proxy.restore();
    behind.wait_until_ready().await;
    for number in 30..40 {
        producer.publish("r:a", number.to_string()).await;
    }
    for number in 0..40 {
        assert_eq!(viewer.line().await, number.to_string());
        assert_eq!(plain.line().await, number.to_string());
    }
}
