//! Redis is down, and comes back.

use std::time::{Duration, Instant};

use test_support::{FlakyProxy, ServiceProcess, TestRedis, eventually, size_from_env, within_patience};

use crate::support::{BINARY, Producer, Viewer, start_service};

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
    within_patience("the producer's end", load).await.unwrap();
    tokio::time::sleep(down).await;
    redis.restart().await;
    let begin = Instant::now();
    let producer = Producer::connect(&redis).await;
    // A line that comes before the service is ready may be a part of the gap.
    eventually("a line is received again", async || {
        service.get("/ready").await.0 == 200 && producer.publish("r:a", "after").await == 1
    })
    .await;
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
    producer.publish("r:a", "end").await;
    let line = late.next_line_after_gaps().await;
    if line != "end" {
        assert_eq!((&*line, &*late.next_line_after_gaps().await), ("after", "end"), "no number twice");
    }
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

/// Ends a subscription behind the service's back, and checks that it is made again.
async fn check_lost_subscription(history: &str, forged: &'static [u8]) {
    let redis = TestRedis::start().await;
    let proxy = FlakyProxy::start(redis.port()).await;
    let url = format!("redis://127.0.0.1:{}", proxy.port());
    let service = start_service(&redis, &[("STATUS_HISTORY", history), ("REDIS_URL", &url)]).await;
    let producer = Producer::connect(&redis).await;
    let mut viewer = Viewer::connect(&service, "r:a?history=0").await;
    viewer.next_text().await;
    assert_eq!(service.metric("status_proxy_gaps_total").await, if history == "redis" { 1.0 } else { 0.0 });
    proxy.forge(forged);
    eventually(&format!("{history}: it is found"), async || {
        service.log().contains("Redis has lost a subscription")
    })
    .await;
    eventually(&format!("{history}: it is made again"), async || producer.publish("r:a", "after").await == 1)
        .await;
    assert_eq!(viewer.next_text().await, r#"{"type":"gap"}"#);
    assert_eq!(viewer.next_line_after_gaps().await, "after");
}

#[tokio::test]
async fn a_subscription_that_redis_has_lost_without_a_word_is_made_again_and_told_as_a_gap() {
    tokio::join!(
        check_lost_subscription("memory", b"UNSUBSCRIBE r:a\r\n"),
        check_lost_subscription("redis", b"PUNSUBSCRIBE *:*\r\n"),
    );
}

#[tokio::test]
async fn lines_that_redis_refuses_to_record_turn_the_service_red_until_it_takes_them_and_are_told_as_a_gap() {
    // A node of a cluster refuses a script with keys of several slots (CROSSSLOT), which no check of single commands shows.
    let cluster =
        TestRedis::start_with(&["--cluster-enabled", "yes", "--cluster-require-full-coverage", "no"]).await;
    cluster.admin("CLUSTER ADDSLOTSRANGE 0 16383").await;
    let redis = TestRedis::start().await;
    let proxy = FlakyProxy::start(cluster.port()).await;
    let url = format!("redis://127.0.0.1:{}", proxy.port());
    let vars = [("STATUS_HISTORY", "redis"), ("REDIS_DB", "0"), ("REDIS_URL", url.as_str())];
    let service = ServiceProcess::start(BINARY, &vars).await;
    let is_red = async || {
        let (status, body) = service.get("/ready").await;
        status == 503 && body.contains("recording: ") && body.contains("Cluster")
    };
    eventually("red with the reason", is_red).await;
    assert_eq!(
        service.log().matches("recording is not ready: record lines: ").count(),
        1,
        "{}",
        service.log()
    );

    let mut viewer = Viewer::connect(&service, "r:a?history=0").await;
    viewer.next_text().await;
    let producer = Producer::connect(&cluster).await;
    producer.publish("r:a", "not recorded").await;
    let frame = viewer.next_json().await;
    assert_eq!(frame["data"], "not recorded");
    assert!(is_red().await, "it lasts");

    proxy.redirect(redis.port());
    proxy.cut();
    eventually("it is cut off", async || service.get("/ready").await.1.contains("redis: ")).await;
    proxy.restore();
    service.wait_until_ready().await;
    let producer = Producer::connect(&redis).await;
    producer.publish("r:a", "recorded").await;
    assert_eq!(viewer.next_text().await, r#"{"type":"gap"}"#);
    assert_eq!(viewer.next_line_after_gaps().await, "recorded");
    assert!(service.log().contains("recording is ready"), "{}", service.log());
    eventually("lines are recorded", async || {
        service.metric("status_proxy_recorded_lines_total").await >= 1.0
    })
    .await;
    let since = frame["id"].as_str().unwrap();
    let mut late = Viewer::connect(&service, &format!("r:a?since={since}")).await;
    assert_eq!(late.next_text().await, r#"{"type":"resume","recovered":false}"#);
    assert_eq!(late.next_line().await, "recorded");
}

#[tokio::test]
async fn an_epoch_that_was_published_at_another_server_than_the_subscriptions_is_not_awaited() {
    let (old, new) = (TestRedis::start().await, TestRedis::start().await);
    let proxy = FlakyProxy::start(old.port()).await;
    let url = format!("redis://127.0.0.1:{}", proxy.port());
    let service = start_service(&old, &[("STATUS_HISTORY", "redis"), ("REDIS_URL", &url)]).await;
    let mut viewer = Viewer::connect(&service, "r:a?history=0").await;
    viewer.next_text().await;
    // As in a failover, the connections change to the new server one after another.
    proxy.redirect(new.port());
    old.admin("CLIENT KILL TYPE pubsub").await;
    eventually("the subscriptions are at the new server", async || {
        new.admin("PUBSUB NUMPAT").await.as_i64() == Some(1)
    })
    .await;
    let started = Instant::now();
    old.admin("CLIENT KILL TYPE normal").await;
    service.wait_until_ready().await;
    // An epoch has 5 s to arrive.
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
    Producer::connect(&new).await.publish("r:a", "after").await;
    assert_eq!(viewer.next_text().await, r#"{"type":"gap"}"#);
    assert_eq!(viewer.next_line_after_gaps().await, "after");
}
