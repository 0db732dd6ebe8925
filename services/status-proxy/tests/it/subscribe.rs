//! Several runs on one socket.

use serde_json::{Value, json};
use test_support::{TestRedis, eventually};

use crate::support::{Producer, Viewer, World, start_service};

const REDIS: (&str, &str) = ("STATUS_HISTORY", "redis");
const MEMORY: (&str, &str) = ("STATUS_HISTORY", "memory");

async fn subscribe(viewer: &mut Viewer, run: &str, channels: &[&str], more: Value) {
    let mut message = json!({"type": "subscribe", "run": run, "channels": channels});
    message.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    viewer.send(&message.to_string()).await;
}

#[tokio::test]
async fn runs_are_added_and_ended_on_an_open_socket() {
    for history in [MEMORY, REDIS] {
        let redis = World::start().await;
        let service = start_service(&redis, &[history]).await;
        let producer = Producer::connect(&redis).await;
        let mut viewer = Viewer::connect(&service, "r:a").await;
        subscribe(&mut viewer, "s;1", &["a", "b"], json!({})).await;
        assert_eq!(viewer.next_text().await, r#"{"type":"subscribed","run":"s;1","channels":["a","b"]}"#);
        // What it watches already is no second subscription.
        subscribe(&mut viewer, "r", &["a"], json!({"history": 5})).await;
        assert_eq!(viewer.next_text().await, r#"{"type":"subscribed","run":"r","channels":["a"]}"#);
        subscribe(&mut viewer, "s;1", &["b", "c"], json!({})).await;
        assert_eq!(viewer.next_text().await, r#"{"type":"subscribed","run":"s;1","channels":["b","c"]}"#);
        for channel in ["r:a", "s;1:b", "s;1:c", "s;1:a"] {
            producer.publish(channel, channel).await;
        }
        let mut frames = Vec::new();
        for _ in 0..4 {
            frames.push(viewer.next_text().await);
        }
        // Lines of different `subscribe` messages have no order: their channels may be in different shards.
        frames.sort();
        assert_eq!(
            frames,
            [
                r#"{"type":"status","data":"r:a"}"#,
                r#"{"type":"status","run":"s;1","data":"s;1:a","channel":"a"}"#,
                r#"{"type":"status","run":"s;1","data":"s;1:b","channel":"b"}"#,
                r#"{"type":"status","run":"s;1","data":"s;1:c","channel":"c"}"#,
            ]
        );
        viewer.send(r#"{"type":"unsubscribe","run":"s;1","channels":["a","x"]}"#).await;
        assert_eq!(viewer.next_text().await, r#"{"type":"unsubscribed","run":"s;1","channels":["a","x"]}"#);
        viewer.send(r#"{"type":"unsubscribe","run":"r"}"#).await;
        assert_eq!(viewer.next_text().await, r#"{"type":"unsubscribed","run":"r"}"#);
        for channel in ["s;1:a", "r:a", "s;1:b", "s;1:c"] {
            producer.publish(channel, channel).await;
        }
        let mut lines =
            [viewer.next_json().await, viewer.next_json().await].map(|frame| frame["data"].to_string());
        lines.sort();
        assert_eq!(lines, [r#""s;1:b""#, r#""s;1:c""#]);
        viewer.send(r#"{"type":"unsubscribe","run":"s;1"}"#).await;
        assert_eq!(viewer.next_text().await, r#"{"type":"unsubscribed","run":"s;1"}"#);
        // The socket stays, and can watch again.
        subscribe(&mut viewer, "r", &["a"], json!({})).await;
        assert_eq!(viewer.next_json().await["type"], "subscribed");
        producer.publish("s;1:b", "ended").await;
        producer.publish("r:a", "again").await;
        assert_eq!(viewer.next_text().await, r#"{"type":"status","run":"r","data":"again","channel":"a"}"#);
        drop(viewer);
        eventually("nobody watches", async || service.metric("status_proxy_viewers").await == 0.0).await;
    }
}

#[tokio::test]
async fn each_run_has_its_history_and_resumes_by_its_own_id() {
    for history in [MEMORY, REDIS] {
        let redis = World::start().await;
        let service = start_service(&redis, &[history]).await;
        let producer = Producer::connect(&redis).await;
        let mut early = Viewer::connect(&service, "s:a,b?history=0").await;
        for _ in 0..2 {
            assert_eq!(early.next_json().await["recovered"], true);
        }
        for number in 0..10 {
            producer.publish(["s:a", "s:b"][number % 2], number.to_string()).await;
        }
        let mut ids = Vec::new();
        for number in 0..10 {
            let frame = early.next_json().await;
            assert_eq!(frame["data"], number.to_string());
            ids.push(frame["id"].as_str().unwrap().to_owned());
        }
        let mut viewer = Viewer::connect(&service, "r:a").await;
        subscribe(&mut viewer, "s", &["a"], json!({"history": 2})).await;
        assert_eq!(viewer.next_json().await["type"], "subscribed");
        assert_eq!(viewer.next_text().await, r#"{"type":"resume","run":"s","recovered":true,"channel":"a"}"#);
        for (data, id) in [("6", &ids[6]), ("8", &ids[8])] {
            let frame = format!(r#"{{"type":"status","run":"s","data":"{data}","id":"{id}","channel":"a"}}"#);
            assert_eq!(viewer.next_text().await, frame);
        }
        let mut again = Viewer::connect(&service, "r:a").await;
        subscribe(&mut again, "s", &["a", "b"], json!({"since": ids[5]})).await;
        assert_eq!(again.next_json().await["type"], "subscribed");
        for _ in 0..2 {
            assert_eq!(again.next_json().await["recovered"], true);
        }
        producer.publish("s:a", "10").await;
        for number in 6..11 {
            assert_eq!(again.next_json().await["data"], number.to_string());
        }
        // The socket of the URL asked for no history, and its frames are as ever.
        producer.publish("r:a", "plain").await;
        assert_eq!(again.next_text().await, r#"{"type":"status","data":"plain"}"#);
        subscribe(&mut again, "t", &["a"], json!({"since": "nonsense"})).await;
        assert_eq!(again.next_json().await["type"], "subscribed");
        assert_eq!(again.next_json().await["recovered"], false);
    }
}

#[tokio::test]
async fn what_is_refused_costs_nothing_else() {
    let redis = World::start().await;
    let service =
        start_service(&redis, &[("STATUS_MAX_SUBSCRIPTIONS_PER_CLIENT", "3"), ("STATUS_MAX_CHANNELS", "4")])
            .await;
    let producer = Producer::connect(&redis).await;
    let mut other = Viewer::connect(&service, "r:w,x,y").await;
    let mut viewer = Viewer::connect(&service, "r:a").await;
    let mut refused = async |message: &str| {
        viewer.send(message).await;
        let frame = viewer.next_json().await;
        assert_eq!(frame["type"], "refused", "{message}: {frame}");
        (frame["run"].as_str().unwrap().chars().count(), frame["code"].as_u64().unwrap())
    };
    let long = "x".repeat(1000);
    for (message, run, code) in [
        (r#"{"type":"subscribe","run":"r"}"#, 1, 4400),
        (r#"{"type":"subscribe","run":"r","channels":[]}"#, 1, 4400),
        (r#"{"type":"subscribe","run":"r x","channels":["a"]}"#, 3, 4400),
        (r#"{"type":"subscribe","run":"r","channels":["a b"]}"#, 1, 4400),
        (r#"{"type":"subscribe","run":"r","channels":["b"],"history":-1}"#, 1, 4400),
        (&format!(r#"{{"type":"subscribe","run":"{long}","channels":["a"]}}"#), 256, 4400),
        (r#"{"type":"subscribe","run":"r","channels":["b","c","d"]}"#, 1, 4429),
        (r#"{"type":"subscribe","run":"r","channels":["b"]}"#, 1, 4429),
    ] {
        assert_eq!(refused(message).await, (run, code), "{message}");
    }
    for ignored in
        [r#"{"type":"subscribe"}"#, r#"["subscribe","r"]"#, "subscribe", r#"{"type":"subscribed","run":"r"}"#]
    {
        viewer.send(ignored).await;
    }
    producer.publish("r:a", "still").await;
    assert_eq!(viewer.next_text().await, r#"{"type":"status","data":"still"}"#);
    // A channel that others watch is no further one.
    subscribe(&mut viewer, "r", &["w"], json!({})).await;
    assert_eq!(viewer.next_json().await["type"], "subscribed");
    producer.publish("r:w", "both").await;
    assert_eq!(viewer.next_line().await, "both");
    assert_eq!(other.next_line().await, "both");
}

#[tokio::test]
async fn a_channel_that_redis_forbids_is_refused_and_the_socket_stays() {
    let redis = TestRedis::start().await;
    redis.admin("ACL SETUSER proxy on >secret ~* +@all resetchannels &r:* &status-proxy/*").await;
    let url = redis.url().replace("redis://", "redis://proxy:secret@");
    let service = test_support::ServiceProcess::start(crate::support::BINARY, &[("REDIS_URL", &url)]).await;
    let mut viewer = Viewer::connect(&service, "r:a").await;
    subscribe(&mut viewer, "s", &["a"], json!({})).await;
    assert_eq!(
        viewer.next_text().await,
        r#"{"type":"refused","run":"s","channels":["a"],"code":4403,"reason":"Redis does not allow this channel"}"#
    );
    Producer::connect(&redis).await.publish("r:a", "x").await;
    assert_eq!(viewer.next_line().await, "x");
}

#[tokio::test]
async fn a_flood_of_requests_closes_the_socket_that_sends_them() {
    let redis = TestRedis::start().await;
    let service = start_service(&redis, &[]).await;
    let mut viewer = Viewer::connect(&service, "r:a").await;
    redis.pause().await;
    let long = "x".repeat(200);
    for number in 0..600 {
        let message = format!(r#"{{"type":"subscribe","run":"{number}","channels":["{long}"]}}"#);
        viewer.send(&message).await;
    }
    assert_eq!(viewer.wait_for_close().await, Some(1008));
    redis.resume().await;
    eventually("it leaves nothing", async || service.metric("status_proxy_viewers").await == 0.0).await;
}
