//! Redis is down, and comes back.

use std::time::{Duration, Instant};

use test_support::{FlakyProxy, TestRedis, eventually, size_from_env};

use crate::support::{Producer, Viewer, start_service};

/// Kills Redis while lines are published as fast as possible, starts it again after `down`, and checks what viewers get.
async fn check_kill_of_redis(history: &str, down: Duration) {
    let mut redis = TestRedis::start().await;
    let service = start_service(&redis, &[("STATUS_HISTORY", history), ("STATUS_PING_INTERVAL", "1s")]).await;
    let (mut plain, mut resuming) =
        (Viewer::connect(&service, "r:a").await, Viewer::connect(&service, "r:a?history=0").await);
    resuming.next_text().await;
    let producer = Producer::connect(&redis).await;
    let load = tokio::spawn(async move {
        let mut number = 0;
        while producer.try_publish("r:a", number.to_string()).await {
            number += 1;
        }
    });
    for number in 0..100 {
        assert_eq!(plain.next_line().await, number.to_string());
    }
    redis.kill().await;
    load.await.unwrap();
    tokio::time::sleep(down).await;
    redis.restart().await;
    let begin = Instant::now();
    let producer = Producer::connect(&redis).await;
    eventually("a line is received again", async || producer.publish("r:a", "after").await == 1).await;
    eprintln!("{history}: subscribed again {:?} after Redis came back", begin.elapsed());

    let mut number = 100;
    let last = loop {
        let line = plain.next_line().await;
        if line == "after" {
            break number;
        }
        assert_eq!(line, number.to_string(), "a client that did not ask for history gets no gap frame");
        number += 1;
    };
    let mut id = serde_json::Value::Null;
    for number in 0..last {
        let frame = resuming.next_json().await;
        assert_eq!(frame["data"], number.to_string());
        id = frame["id"].clone();
    }
    assert_eq!(resuming.next_text().await, r#"{"type":"gap"}"#);
    assert_eq!(resuming.next_line_after_gaps().await, "after");
    let mut late = Viewer::connect(&service, &format!("r:a?since={}", id.as_str().unwrap())).await;
    assert_eq!(late.next_text().await, r#"{"type":"resume","recovered":false}"#);
    assert_eq!(late.next_line().await, "after");
    assert_eq!(service.metric("status_proxy_connections_closed_total").await, 0.0, "no socket was closed");
}

#[tokio::test]
async fn a_kill_of_redis_closes_no_socket_and_the_gap_is_announced() {
    check_kill_of_redis("memory", Duration::from_secs(size_from_env("DOWN", 2) as u64)).await;
}

#[tokio::test]
async fn a_kill_of_redis_with_history_in_redis_is_announced_too() {
    check_kill_of_redis("redis", Duration::from_secs(size_from_env("DOWN", 2) as u64)).await;
}

#[tokio::test]
async fn a_client_that_connects_while_redis_is_down_waits_until_it_is_back() {
    let mut redis = TestRedis::start().await;
    let service = start_service(&redis, &[]).await;
    redis.kill().await;
    eventually("not ready", async || service.get("/ready").await.0 == 503).await;
    let port = service.port();
    let connecting = tokio::spawn(async move { Viewer::connect_to(port, "r:a").await.unwrap() });
    redis.restart().await;
    let mut viewer = connecting.await.unwrap();
    service.wait_until_ready().await;
    Producer::connect(&redis).await.publish("r:a", "x").await;
    assert_eq!(viewer.next_line().await, "x");
}

#[tokio::test]
async fn a_client_is_refused_when_redis_stays_down() {
    let mut redis = TestRedis::start().await;
    let service = start_service(&redis, &[("STATUS_HANDSHAKE_TIMEOUT", "500ms")]).await;
    redis.kill().await;
    eventually("not ready", async || service.get("/ready").await.0 == 503).await;
    assert_eq!(Viewer::refused_status(service.port(), "r:a", &[]).await, 503);
    assert_eq!(service.get("/health").await.0, 200);
}

#[tokio::test]
async fn a_connection_that_is_dead_without_an_error_is_found_by_the_probe() {
    let redis = TestRedis::start().await;
    let proxy = FlakyProxy::start(redis.port()).await;
    let url = format!("redis://127.0.0.1:{}", proxy.port());
    let service = start_service(&redis, &[("REDIS_URL", &url)]).await;
    let producer = Producer::connect(&redis).await;
    let mut viewer = Viewer::connect(&service, "r:a?history=0").await;
    viewer.next_text().await;
    proxy.stall();
    eventually("the subscription is lost", async || service.get("/ready").await.1.contains("subscription"))
        .await;
    proxy.restore();
    service.wait_until_ready().await;
    assert_eq!(viewer.next_text().await, r#"{"type":"gap"}"#);
    producer.publish("r:a", "after").await;
    assert_eq!(viewer.next_line_after_gaps().await, "after");
}

#[tokio::test]
async fn lines_missed_by_one_instance_are_read_from_the_recording_of_another() {
    let redis = TestRedis::start().await;
    let proxy = FlakyProxy::start(redis.port()).await;
    let url = format!("redis://127.0.0.1:{}", proxy.port());
    let recorder = start_service(&redis, &[("STATUS_HISTORY", "redis")]).await;
    eventually("it records", async || recorder.metric("status_proxy_is_recorder").await == 1.0).await;
    let cut_off = start_service(&redis, &[("STATUS_HISTORY", "redis"), ("REDIS_URL", &url)]).await;
    let producer = Producer::connect(&redis).await;
    let mut viewer = Viewer::connect(&cut_off, "r:a?history=0").await;
    viewer.next_text().await;
    let mut plain = Viewer::connect(&cut_off, "r:a").await;
    for number in 0..10 {
        producer.publish("r:a", number.to_string()).await;
    }
    proxy.cut();
    eventually("not ready", async || cut_off.get("/ready").await.0 == 503).await;
    for number in 10..30 {
        producer.publish("r:a", number.to_string()).await;
    }
    proxy.restore();
    cut_off.wait_until_ready().await;
    for number in 30..40 {
        producer.publish("r:a", number.to_string()).await;
    }
    for number in 0..40 {
        assert_eq!(viewer.next_line().await, number.to_string());
        assert_eq!(plain.next_line().await, number.to_string());
    }
}
