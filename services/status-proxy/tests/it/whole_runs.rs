//! All channels of a run on one socket: `/<run>:*`.

use serde_json::{Value, json};
use test_support::{ServiceProcess, TestRedis, eventually, within_patience};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{BINARY, Producer, Viewer, World, start_service};

const HISTORIES: [(&str, &str); 2] = [("STATUS_HISTORY", "memory"), ("STATUS_HISTORY", "redis")];

/// The patterns that Redis has for all its clients together.
async fn pattern_count(redis: &TestRedis) -> i64 {
    redis.admin("PUBSUB NUMPAT").await.as_i64().unwrap()
}

/// Reads this many status frames: channel and text of each, and the last id.
async fn read_lines(viewer: &mut Viewer, count: usize) -> (Vec<String>, String) {
    let (mut lines, mut id) = (Vec::new(), String::new());
    for _ in 0..count {
        let frame = viewer.next_json().await;
        assert_eq!(frame["type"], "status", "{frame}");
        lines.push(format!("{} {}", frame["channel"].as_str().unwrap(), frame["data"].as_str().unwrap()));
        id = frame["id"].as_str().unwrap_or_default().to_owned();
    }
    (lines, id)
}

#[tokio::test]
async fn frames_of_a_whole_run_name_their_channels_and_other_clients_see_no_change() {
    for history in HISTORIES {
        let redis = TestRedis::start().await;
        let service = start_service(&redis, &[history]).await;
        let producer = Producer::connect(&redis).await;
        let mut stock = Viewer::connect(&service, "r;1:a").await;
        let mut all = Viewer::connect(&service, "r;1:*").await;
        let mut resuming = Viewer::connect(&service, "r;1:*?history=0").await;
        assert_eq!(resuming.next_text().await, r#"{"type":"resume","recovered":true,"channel":"*"}"#);
        for channel in ["r;1:a", "r;1:new", "r;2:a", "r:a", "r;1:*", "r;1:x y", "r;1:a"] {
            producer.publish(channel, "a \"line\"").await;
        }
        for channel in ["a", "new", "a"] {
            let frame = format!(r#"{{"type":"status","data":"a \"line\"","channel":"{channel}"}}"#);
            assert_eq!(all.next_text().await, frame);
            let frame = resuming.next_text().await;
            let id = serde_json::from_str::<Value>(&frame).unwrap()["id"].as_str().unwrap().to_owned();
            assert_eq!(
                frame,
                format!(r#"{{"type":"status","data":"a \"line\"","id":"{id}","channel":"{channel}"}}"#)
            );
        }
        for _ in 0..2 {
            assert_eq!(stock.next_text().await, r#"{"type":"status","data":"a \"line\""}"#);
        }
        redis.admin("CLIENT KILL TYPE pubsub").await;
        assert_eq!(resuming.next_text().await, r#"{"type":"gap","channel":"*"}"#);
        service.wait_until_ready().await;
        producer.publish("r;1:b", "after").await;
        assert_eq!(all.next_text().await, r#"{"type":"status","data":"after","channel":"b"}"#);
        producer.publish("r;1:a", "after").await;
        assert_eq!(stock.next_text().await, r#"{"type":"status","data":"after"}"#);
    }
}

#[tokio::test]
async fn a_whole_run_has_history_and_resumes() {
    for history in HISTORIES {
        let redis = World::start().await;
        let service = start_service(&redis, &[history]).await;
        let producer = Producer::connect(&redis).await;
        let mut viewer = Viewer::connect(&service, "r:*?history=0").await;
        assert_eq!(viewer.next_json().await["recovered"], true);
        let publish = async |numbers: std::ops::Range<usize>| {
            for number in numbers {
                producer.publish(["r:a", "r:b", "r:c"][number % 3], number.to_string()).await;
            }
        };
        let expected = |numbers: std::ops::Range<usize>| -> Vec<String> {
            numbers.map(|number| format!("{} {number}", ["a", "b", "c"][number % 3])).collect()
        };
        publish(0..20).await;
        let (lines, id) = read_lines(&mut viewer, 10).await;
        assert_eq!(lines, expected(0..10));
        viewer.close().await;
        publish(20..25).await;
        let mut again = Viewer::connect(&service, &format!("r:*?since={id}")).await;
        assert_eq!(again.next_text().await, r#"{"type":"resume","recovered":true,"channel":"*"}"#);
        publish(25..30).await;
        assert_eq!(read_lines(&mut again, 20).await.0, expected(10..30));
        let mut last = Viewer::connect(&service, "r:*?history=7").await;
        assert_eq!(last.next_json().await["recovered"], true);
        assert_eq!(read_lines(&mut last, 7).await.0, expected(23..30));
        // A viewer of one channel gets what was kept for the run.
        let mut one = Viewer::connect(&service, "r:b?history=2").await;
        assert_eq!(one.next_text().await, r#"{"type":"resume","recovered":true}"#);
        assert_eq!([one.next_line().await, one.next_line().await], ["25", "28"]);
        let mut unknown = Viewer::connect(&service, "r:*?since=1-1").await;
        assert_eq!(unknown.next_json().await["recovered"], false);

        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", service.port())).await.unwrap();
        let request = format!("GET /r:%2A/sse HTTP/1.1\r\nHost: h\r\nLast-Event-ID: {id}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut received = String::new();
        while !received.contains(r#""data":"29""#) {
            let mut buffer = [0; 1000];
            let count = within_patience("an event", stream.read(&mut buffer)).await.unwrap();
            assert!(count > 0, "the stream ended after {received}");
            received.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
        }
        assert!(
            received.contains("data: {\"type\":\"resume\",\"recovered\":true,\"channel\":\"*\"}\n\nid: ")
        );
        let (_, first) = received.split_once("\n\nid: ").unwrap();
        assert!(
            first.split_once('\n').unwrap().1.starts_with(r#"data: {"type":"status","data":"10","id":""#)
        );
        assert_eq!(received.matches("\ndata: {\"type\":\"status\"").count(), 20, "{received}");
    }
}

#[tokio::test]
async fn what_a_whole_run_has_lost_is_not_called_recovered() {
    for history in HISTORIES {
        let redis = World::start().await;
        let service = start_service(&redis, &[history, ("STATUS_HISTORY_LINES", "5")]).await;
        let producer = Producer::connect(&redis).await;
        let mut viewer = Viewer::connect(&service, "r:*?history=0").await;
        viewer.next_text().await;
        producer.publish("r:rare", "first").await;
        let (_, first) = read_lines(&mut viewer, 1).await;
        for number in 0..20 {
            producer.publish("r:often", number.to_string()).await;
        }
        let (_, last) = read_lines(&mut viewer, 20).await;
        for (since, recovered) in [(&first, false), (&last, true)] {
            let mut late = Viewer::connect(&service, &format!("r:*?since={since}")).await;
            assert_eq!(late.next_json().await["recovered"], recovered, "{history:?}");
        }
    }
}

#[tokio::test]
async fn a_line_comes_once_however_many_ways_its_channel_is_subscribed() {
    let redis = World::start().await;
    let service = start_service(&redis, &[]).await;
    let producer = Producer::connect(&redis).await;
    let mut one = Viewer::connect(&service, "r:a").await;
    let mut all = Viewer::connect(&service, "r:*").await;
    for _ in 0..200 {
        producer.publish("r:a", "same").await;
        producer.publish("r:b", "same").await;
    }
    // Channels come and go while their lines do.
    for number in 0..50 {
        let channel = format!("r:c{number}");
        let viewer = Viewer::connect(&service, &channel).await;
        let (_, ()) = tokio::join!(producer.publish(&channel, "same"), viewer.close());
        producer.publish(&channel, "same").await;
    }
    producer.publish("r:a", "end").await;
    for _ in 0..200 {
        assert_eq!(one.next_line().await, "same");
    }
    assert_eq!(one.next_line().await, "end");
    for _ in 0..500 {
        assert_eq!(all.next_line().await, "same");
    }
    assert_eq!(all.next_line().await, "end");
}

#[tokio::test]
async fn redis_has_one_pattern_for_all_runs_and_none_after_the_last() {
    let redis = TestRedis::start().await;
    let service = start_service(&redis, &[("STATUS_MAX_CHANNELS", "30")]).await;
    let mut viewers = Vec::new();
    for number in 0..30 {
        viewers.push(Viewer::connect(&service, &format!("r{number}:*")).await);
    }
    assert_eq!(pattern_count(&redis).await, 1);
    assert_eq!(Viewer::refused_status(service.port(), "r30:*", &[]).await, 503);
    let producer = Producer::connect(&redis).await;
    for (number, viewer) in viewers.iter_mut().enumerate() {
        producer.publish(&format!("r{number}:a"), "x").await;
        assert_eq!(viewer.next_line().await, "x");
    }
    assert_eq!(pattern_count(&redis).await, 1);
    let quiet = start_service(&redis, &[]).await;
    for number in 0..200 {
        drop(Viewer::connect(&quiet, &format!("junk{number}:*")).await);
    }
    eventually("nothing of them is kept", async || {
        quiet.metric("status_proxy_channels").await == 0.0 && pattern_count(&redis).await == 1
    })
    .await;
}

#[tokio::test]
async fn a_user_who_may_not_subscribe_to_the_pattern_gets_403_and_nobody_else_notices() {
    let redis = TestRedis::start().await;
    let user = "ACL SETUSER limited on >key ~* +@all resetchannels &status-proxy/* &r:*";
    redis.admin(user).await;
    let url = format!("redis://limited:key@127.0.0.1:{}", redis.port());
    let service = ServiceProcess::start(BINARY, &[("REDIS_URL", &url)]).await;
    service.wait_until_ready().await;
    let producer = Producer::connect(&redis).await;
    let mut viewer = Viewer::connect(&service, "r:a").await;
    for _ in 0..5 {
        assert_eq!(Viewer::refused_status(service.port(), "r:*", &[]).await, 403);
    }
    viewer.send(r#"{"type":"subscribe","run":"r","channels":["*"]}"#).await;
    let reason = "Redis does not allow this channel";
    let refusal = json!({"type": "refused", "run": "r", "channels": ["*"], "code": 4403, "reason": reason});
    assert_eq!(viewer.next_json().await, refusal);
    producer.publish("r:a", "x").await;
    assert_eq!(viewer.next_text().await, r#"{"type":"status","data":"x"}"#);
    assert_eq!(service.metric("status_proxy_gaps_total").await, 0.0);

    redis.admin(&format!("{user} &*:*")).await;
    let mut all = Viewer::connect(&service, "r:*?history=0").await;
    all.next_text().await;
    redis.admin(user).await;
    eventually("it is forbidden again", async || {
        Viewer::connect_to(service.port(), "s:*").await.is_err() && service.get("/ready").await.0 == 200
    })
    .await;
    let mut one = Viewer::connect(&service, "r:b").await;
    producer.publish("r:b", "y").await;
    assert_eq!(one.next_line().await, "y");
    redis.admin(&format!("{user} &*:*")).await;
    eventually("the pattern is subscribed again", async || pattern_count(&redis).await == 1).await;
    producer.publish("r:c", "z").await;
    assert_eq!(all.next_json().await, json!({"type": "gap", "channel": "*"}), "y may be missing");
    eventually("lines arrive", async || producer.publish("r:c", "z").await == 1).await;
    while all.next_line_after_gaps().await != "z" {}
}

#[tokio::test]
async fn a_whole_run_takes_the_place_of_its_channels_on_an_open_socket() {
    for history in HISTORIES {
        let redis = World::start().await;
        let service = start_service(&redis, &[history, ("STATUS_MAX_SUBSCRIPTIONS_PER_CLIENT", "2")]).await;
        let producer = Producer::connect(&redis).await;
        let mut early = Viewer::connect(&service, "s:*?history=0").await;
        early.next_text().await;
        for number in 0..3 {
            producer.publish(&format!("s:{number}"), number.to_string()).await;
        }
        let (_, id) = read_lines(&mut early, 2).await;
        let mut viewer = Viewer::connect(&service, "s:a").await;
        let all = json!({"type": "subscribe", "run": "s", "channels": ["a", "*"], "since": id}).to_string();
        viewer.send(&all).await;
        assert_eq!(viewer.next_text().await, r#"{"type":"subscribed","run":"s","channels":["*"]}"#);
        assert_eq!(viewer.next_text().await, r#"{"type":"resume","run":"s","recovered":true,"channel":"*"}"#);
        let frame = viewer.next_json().await;
        assert_eq!(
            (&frame["run"], &frame["data"], &frame["channel"]),
            (&json!("s"), &json!("2"), &json!("2"))
        );
        for text in ["one", "two"] {
            producer.publish("s:a", text).await;
            let frame = viewer.next_json().await;
            assert_eq!((&frame["run"], &frame["data"]), (&json!("s"), &json!(text)), "once");
        }
        // What is watched already is no second subscription, and cannot be ended alone.
        viewer.send(r#"{"type":"subscribe","run":"s","channels":["b"]}"#).await;
        assert_eq!(viewer.next_text().await, r#"{"type":"subscribed","run":"s","channels":["b"]}"#);
        viewer.send(r#"{"type":"unsubscribe","run":"s","channels":["a"]}"#).await;
        assert_eq!(
            viewer.next_text().await,
            r#"{"type":"refused","run":"s","channels":["a"],"code":4400,"reason":"all channels of the run are watched, not some of them"}"#
        );
        producer.publish("s:b", "b").await;
        assert_eq!(viewer.next_line().await, "b");
        viewer.send(r#"{"type":"subscribe","run":"t","channels":["*"]}"#).await;
        assert_eq!(viewer.next_json().await["type"], "subscribed");
        viewer.send(r#"{"type":"subscribe","run":"u","channels":["*"]}"#).await;
        assert_eq!(viewer.next_json().await["code"], 4429);
        viewer.send(r#"{"type":"unsubscribe","run":"s","channels":["*"]}"#).await;
        assert_eq!(viewer.next_text().await, r#"{"type":"unsubscribed","run":"s","channels":["*"]}"#);
        producer.publish("s:b", "ended").await;
        producer.publish("t:x", "other").await;
        assert_eq!(viewer.next_text().await, r#"{"type":"status","run":"t","data":"other","channel":"x"}"#);
    }
}
