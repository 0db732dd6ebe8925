//! Many viewers, many channels, and a viewer that does not read.

use std::time::{Duration, Instant};

use fred::interfaces::ClientLike;
use test_support::{TestRedis, size_from_env};

use crate::support::{Producer, Viewer, World, start_service};

async fn count_redis_connections(redis: &TestRedis) -> usize {
    let client = redis.client().await;
    let list: String = client.custom(fred::cmd!("CLIENT"), vec!["LIST"]).await.unwrap();
    client.quit().await.unwrap();
    // Without this client's own.
    list.lines().count() - 1
}

#[tokio::test]
async fn every_viewer_gets_every_line_in_order_over_a_constant_number_of_redis_connections() {
    let redis = TestRedis::start().await;
    let service = start_service(&redis, &[]).await;
    let before = count_redis_connections(&redis).await;
    let producer = Producer::connect(&redis).await;
    let (viewers, messages) = (size_from_env("VIEWERS", 300), 20);
    let mut same = Vec::new();
    let mut own = Vec::new();
    for number in 0..viewers {
        same.push(Viewer::connect(&service, "shared:a").await);
        own.push(Viewer::connect(&service, &format!("run-{number}:a").to_owned()).await);
    }
    assert_eq!(count_redis_connections(&redis).await, before + 1, "the producer's");
    for message in 0..messages {
        producer.publish("shared:a", message.to_string()).await;
        for number in 0..viewers {
            producer.publish(&format!("run-{number}:a"), format!("{number}.{message}")).await;
        }
    }
    for (number, (same, own)) in same.iter_mut().zip(&mut own).enumerate() {
        for message in 0..messages {
            assert_eq!(same.next_line().await, message.to_string());
            assert_eq!(own.next_line().await, format!("{number}.{message}"));
        }
    }
}

#[tokio::test]
async fn ten_thousand_lines_at_once_all_arrive() {
    for history in ["memory", "redis"] {
        let redis = World::start().await;
        // A busy machine may not let the viewer read for a while.
        let patient = [("STATUS_OUTBOX_SIZE", "8MB"), ("STATUS_WRITE_TIMEOUT", "20s")];
        let vars = [&patient[..], &[("STATUS_HISTORY", history)]].concat();
        let service = start_service(&redis, &vars).await;
        let mut viewer = Viewer::connect(&service, "r:a?history=0").await;
        viewer.next_text().await;
        Producer::connect(&redis).await.publish_all("r:a", 10_000).await;
        for number in 0..10_000 {
            assert_eq!(viewer.next_line().await, number.to_string());
        }
    }
}

/// Measures the time from publication to arrival of `count` messages.
async fn measure_latencies(
    producer: &Producer,
    viewer: &mut Viewer,
    channel: &str,
    count: usize,
) -> Vec<Duration> {
    let mut all = Vec::new();
    for _ in 0..count {
        let begin = Instant::now();
        producer.publish(channel, "x".repeat(2000)).await;
        viewer.next_line().await;
        all.push(begin.elapsed());
    }
    all.sort();
    all
}

#[tokio::test]
async fn a_viewer_that_stops_reading_is_closed_with_1013_and_can_resume_and_delays_nobody() {
    let redis = World::start().await;
    let limits = [
        ("STATUS_OUTBOX_SIZE", "64KB"),
        ("STATUS_WRITE_TIMEOUT", "1s"),
        ("STATUS_HISTORY_SIZE", "100MB"),
        ("STATUS_HISTORY_LINES", "100000"),
    ];
    let service = start_service(&redis, &limits).await;
    let producer = Producer::connect(&redis).await;
    let mut reader = Viewer::connect(&service, "r:a").await;
    let before = measure_latencies(&producer, &mut reader, "r:a", 300).await;
    let mut stalled = Viewer::connect(&service, "r:a?history=0").await;
    stalled.next_text().await;
    let mut during = Vec::new();
    while service.metric("status_proxy_connections_closed_total{cause=\"slow\"}").await == 0.0 {
        during.extend(measure_latencies(&producer, &mut reader, "r:a", 100).await);
    }
    during.sort();
    let p99 = |all: &[Duration]| all[all.len() * 99 / 100];
    let (before, during) = (p99(&before), p99(&during));
    eprintln!("p99 before {before:?}, with a reader that stopped {during:?}");
    // On a busy machine this shows only that no viewer waits for the timeout of another.
    assert!(during < before + Duration::from_millis(500), "{before:?} {during:?}");

    let (mut received, mut id) = (0, String::new());
    let code = loop {
        match stalled.next().await {
            Ok(text) => {
                let frame: serde_json::Value = serde_json::from_str(&text).unwrap();
                if frame["type"] == "status" {
                    id = frame["id"].as_str().unwrap().to_owned();
                    received += 1;
                }
            }
            Err(code) => break code,
        }
    };
    assert_eq!(code, Some(1013), "after {received} lines");
    let total = service.metric("status_proxy_lines_total").await as usize - 300;
    assert!(received < total);
    let mut resumed = Viewer::connect(&service, &format!("r:a?since={id}")).await;
    assert_eq!(resumed.next_text().await, r#"{"type":"resume","recovered":true}"#);
    for _ in received..total {
        resumed.next_line().await;
    }
}

#[tokio::test]
async fn a_viewer_whose_outbox_overflowed_is_told_if_what_it_missed_is_not_kept() {
    for history in ["memory", "redis"] {
        let redis = World::start().await;
        let vars =
            [("STATUS_HISTORY", history), ("STATUS_OUTBOX_SIZE", "64KB"), ("STATUS_HISTORY_LINES", "10")];
        let service = start_service(&redis, &vars).await;
        let producer = Producer::connect(&redis).await;
        let mut stalled = Viewer::connect(&service, "r:a?history=0").await;
        stalled.next_text().await;
        let mut published = 0;
        while service.metric("status_proxy_connections_closed_total{cause=\"slow\"}").await == 0.0 {
            for _ in 0..20 {
                producer.publish("r:a", format!("{published} {}", "x".repeat(50_000))).await;
                published += 1;
            }
        }
        let (mut next, mut id) = (0, String::new());
        let number = |line: &str| line.split(' ').next().unwrap().parse::<usize>().unwrap();
        while let Ok(text) = stalled.next().await {
            let frame: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!(number(frame["data"].as_str().unwrap()), next);
            id = frame["id"].as_str().unwrap().to_owned();
            next += 1;
        }
        let kept = published - 10;
        assert!(next < kept, "{next} of {published} lines reached it");
        let mut resumed = Viewer::connect(&service, &format!("r:a?since={id}")).await;
        assert_eq!(resumed.next_text().await, r#"{"type":"resume","recovered":false}"#, "{history}");
        assert!(number(&resumed.next_line().await) >= kept, "{history}");
    }
}
