//! The recorded history of all channels of a run.

use std::time::Duration;

use fred::interfaces::KeysInterface;
use serde_json::json;
use test_support::{FlakyProxy, ServiceProcess, TestRedis, eventually};

use crate::support::{Producer, Servers, Viewer, World, start_service};

const REDIS: (&str, &str) = ("STATUS_HISTORY", "redis");
const NAMES: [&str; 3] = ["a", "b", "c"];

async fn publish(producer: &Producer, numbers: std::ops::Range<usize>) {
    for number in numbers {
        producer.publish(&format!("r:{}", NAMES[number % 3]), number.to_string()).await;
    }
}

/// Reads the status frames of these numbers, and returns the id of each.
async fn read(viewer: &mut Viewer, numbers: std::ops::Range<usize>) -> Vec<String> {
    let mut ids = Vec::new();
    for number in numbers {
        let frame = viewer.next_json().await;
        assert_eq!(
            (&frame["data"], &frame["channel"]),
            (&json!(number.to_string()), &json!(NAMES[number % 3])),
            "{frame}"
        );
        ids.push(frame["id"].as_str().unwrap().to_owned());
    }
    ids
}

/// Publishes so many lines, which a viewer of the run receives at once. Returns the viewer, and the id of each.
async fn publish_to_a_viewer(
    service: &ServiceProcess,
    producer: &Producer,
    count: usize,
) -> (Viewer, Vec<String>) {
    let mut viewer = Viewer::connect(service, "r:*?history=0").await;
    viewer.next_text().await;
    publish(producer, 0..count).await;
    let ids = read(&mut viewer, 0..count).await;
    (viewer, ids)
}

async fn wait_until_recorded(service: &ServiceProcess, count: usize) {
    eventually("all lines are recorded", async || {
        service.metric("status_proxy_recorded_lines_total").await == count as f64
    })
    .await;
}

/// Another instance, when the recording reaches its start.
async fn start_another(redis: &impl Servers, vars: &[(&str, &str)]) -> ServiceProcess {
    let service = start_service(redis, vars).await;
    eventually("the recording reaches its start", async || {
        let mut viewer = Viewer::connect(&service, "r:*?history=1").await;
        viewer.next_json().await["recovered"] == true
    })
    .await;
    service
}

#[tokio::test]
async fn an_instance_that_received_none_of_a_runs_lines_has_them_all() {
    let redis = World::start().await;
    let recorder = start_service(&redis, &[REDIS]).await;
    let producer = Producer::connect(&redis).await;
    for foreign in ["r-1:a", "s:a", "r;:a"] {
        producer.publish(foreign, "foreign").await;
    }
    publish(&producer, 0..900).await;
    wait_until_recorded(&recorder, 903).await;
    let service = start_another(&redis, &[REDIS]).await;
    let mut last = Viewer::connect(&service, "r:*?history=700").await;
    assert_eq!(last.next_text().await, r#"{"type":"resume","recovered":true,"channel":"*"}"#);
    let ids = read(&mut last, 200..900).await;
    let mut resumed = Viewer::connect(&service, &format!("r:*?since={}", ids[99])).await;
    assert_eq!(resumed.next_json().await["recovered"], true);
    publish(&producer, 900..910).await;
    read(&mut last, 900..910).await;
    assert_eq!(read(&mut resumed, 300..910).await[..600], ids[100..]);
    let mut greedy = Viewer::connect(&service, "r:*?history=2000").await;
    assert_eq!(greedy.next_json().await["recovered"], false, "there may have been more");
    read(&mut greedy, 0..910).await;
}

#[tokio::test]
async fn what_is_not_recorded_any_more_of_one_channel_is_not_called_recovered() {
    let redis = World::start().await;
    let vars = [REDIS, ("STATUS_HISTORY_LINES", "20")];
    let recorder = start_service(&redis, &vars).await;
    let producer = Producer::connect(&redis).await;
    let (_viewer, ids) = publish_to_a_viewer(&recorder, &producer, 30).await;
    for _ in 0..25 {
        producer.publish("r:often", "x").await;
    }
    wait_until_recorded(&recorder, 55).await;
    let service = start_another(&redis, &vars).await;
    for (query, recovered) in [
        ("history=20".to_owned(), true),
        ("history=25".to_owned(), false),
        (format!("since={}", ids[29]), false),
    ] {
        let mut late = Viewer::connect(&service, &format!("r:*?{query}")).await;
        assert_eq!(late.next_json().await["recovered"], recovered, "{query}");
        while late.next_json().await["channel"] != "often" {}
    }
}

#[tokio::test]
async fn a_channel_that_has_expired_is_not_called_recovered() {
    let redis = TestRedis::start().await;
    let vars = [REDIS, ("STATUS_HISTORY_AGE", "3s")];
    let recorder = start_service(&redis, &vars).await;
    let producer = Producer::connect(&redis).await;
    let (_viewer, ids) = publish_to_a_viewer(&recorder, &producer, 2).await;
    let keep_one = tokio::spawn(async move {
        loop {
            producer.publish("r:a", "again").await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    let keys = redis.client_for_db(2).await;
    eventually("only one of them is kept", async || {
        keys.exists::<i64, _>("status-proxy:history:r:b").await.unwrap() == 0
    })
    .await;
    let service = start_service(&redis, &vars).await;
    let mut several = Viewer::connect(&service, &format!("r:a,b?since={}", ids[0])).await;
    for (channel, recovered) in [("a", true), ("b", false)] {
        let told = several.next_json().await;
        assert_eq!((&told["channel"], &told["recovered"]), (&json!(channel), &json!(recovered)), "{told}");
    }
    let mut all = Viewer::connect(&service, &format!("r:*?since={}", ids[0])).await;
    assert_eq!(all.next_json().await["recovered"], false);
    keep_one.abort();
}

#[tokio::test]
async fn a_list_that_others_have_replaced_is_not_called_complete() {
    let redis = TestRedis::start().await;
    let recorder = start_service(&redis, &[REDIS]).await;
    let producer = Producer::connect(&redis).await;
    publish(&producer, 0..6).await;
    wait_until_recorded(&recorder, 6).await;
    let service = start_another(&redis, &[REDIS]).await;
    let keys = redis.client_for_db(2).await;
    keys.set::<(), _, _>("status-proxy:channels:r", "garbage", None, None, false).await.unwrap();
    producer.publish("r:a", "more").await;
    wait_until_recorded(&recorder, 7).await;
    let mut viewer = Viewer::connect(&service, "r:*?history=5").await;
    assert_eq!(viewer.next_json().await["recovered"], false);
    assert_eq!(viewer.next_line().await, "more");
}

#[tokio::test]
async fn a_runs_lines_missed_by_one_instance_are_read_from_the_recording_of_another() {
    let redis = TestRedis::start().await;
    let proxy = FlakyProxy::start(redis.port()).await;
    let url = format!("redis://127.0.0.1:{}", proxy.port());
    let recorder = start_service(&redis, &[REDIS]).await;
    eventually("it records", async || recorder.metric("status_proxy_is_recorder").await == 1.0).await;
    let cut_off = start_service(&redis, &[REDIS, ("REDIS_URL", &url)]).await;
    let producer = Producer::connect(&redis).await;
    let (mut viewer, ids) = publish_to_a_viewer(&cut_off, &producer, 10).await;
    proxy.cut();
    eventually("not ready", async || cut_off.get("/ready").await.0 == 503).await;
    publish(&producer, 10..30).await;
    proxy.restore();
    cut_off.wait_until_ready().await;
    publish(&producer, 30..40).await;
    read(&mut viewer, 10..40).await;
    let mut late = Viewer::connect(&cut_off, &format!("r:*?since={}", ids[9])).await;
    assert_eq!(late.next_json().await["recovered"], true);
    read(&mut late, 10..40).await;
}
