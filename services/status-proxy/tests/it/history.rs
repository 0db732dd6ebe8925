//! The past on request: in memory, and in Redis.

use test_support::TestRedis;

use crate::world::{Producer, Viewer, service};

const REDIS: (&str, &str) = ("STATUS_HISTORY", "redis");
const MEMORY: (&str, &str) = ("STATUS_HISTORY", "memory");

async fn publish(producer: &Producer, channel: &str, numbers: std::ops::Range<usize>) {
    for number in numbers {
        producer.publish(channel, format!("{channel} {number}")).await;
    }
}

/// Reads this many status frames: their data, and the last id.
async fn lines(viewer: &mut Viewer, count: usize) -> (Vec<String>, String) {
    let (mut lines, mut id) = (Vec::new(), String::new());
    for _ in 0..count {
        let frame = viewer.json().await;
        assert_eq!(frame["type"], "status", "{frame}");
        lines.push(frame["data"].as_str().unwrap().to_owned());
        id = frame["id"].as_str().unwrap().to_owned();
        assert!(id.len() <= 40);
    }
    (lines, id)
}

fn numbered(channel: &str, numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(|number| format!("{channel} {number}")).collect()
}

#[tokio::test]
async fn the_last_lines_come_before_live_ones() {
    for history in [MEMORY, REDIS] {
        let redis = TestRedis::start().await;
        let service = service(&redis, &[history]).await;
        let producer = Producer::of(&redis).await;
        let mut early = Viewer::of(&service, "r:a").await;
        publish(&producer, "r:a", 0..10).await;
        for number in 0..10 {
            assert_eq!(early.text().await, format!(r#"{{"type":"status","data":"r:a {number}"}}"#));
        }
        let mut viewer = Viewer::of(&service, "r:a?history=3").await;
        assert_eq!(viewer.text().await, r#"{"type":"resume","recovered":true}"#);
        publish(&producer, "r:a", 10..12).await;
        assert_eq!(lines(&mut viewer, 5).await.0, numbered("r:a", 7..12));
        let mut greedy = Viewer::of(&service, "r:a?history=100").await;
        assert_eq!(greedy.text().await, r#"{"type":"resume","recovered":false}"#, "there may have been more");
        assert_eq!(lines(&mut greedy, 12).await.0, numbered("r:a", 0..12));
    }
}

#[tokio::test]
async fn a_client_that_comes_back_gets_every_line_once() {
    for history in [MEMORY, REDIS] {
        let redis = TestRedis::start().await;
        let service = service(&redis, &[history]).await;
        let producer = Producer::of(&redis).await;
        let mut viewer = Viewer::of(&service, "r:a?history=0").await;
        assert_eq!(viewer.text().await, r#"{"type":"resume","recovered":true}"#);
        let mut published = 0;
        let mut seen = 0;
        for round in 1..20 {
            publish(&producer, "r:a", published..published + round).await;
            published += round;
            let (read, id) = lines(&mut viewer, round / 2 + 1).await;
            assert_eq!(read, numbered("r:a", seen..seen + read.len()));
            seen += read.len();
            drop(viewer);
            viewer = Viewer::of(&service, &format!("r:a?since={id}")).await;
            assert_eq!(viewer.text().await, r#"{"type":"resume","recovered":true}"#);
        }
        assert_eq!(lines(&mut viewer, published - seen).await.0, numbered("r:a", seen..published));
    }
}

#[tokio::test]
async fn what_was_forgotten_or_never_known_is_not_claimed() {
    for history in [MEMORY, REDIS] {
        let redis = TestRedis::start().await;
        let service = service(&redis, &[history, ("STATUS_HISTORY_LINES", "5")]).await;
        let producer = Producer::of(&redis).await;
        let mut viewer = Viewer::of(&service, "r:a?history=0").await;
        viewer.text().await;
        publish(&producer, "r:a", 0..1).await;
        let (_, first) = lines(&mut viewer, 1).await;
        publish(&producer, "r:a", 1..500).await;
        lines(&mut viewer, 499).await;
        let mut late = Viewer::of(&service, &format!("r:a?since={first}")).await;
        assert_eq!(late.text().await, r#"{"type":"resume","recovered":false}"#);
        assert!(lines(&mut late, 5).await.0.iter().all(|line| line != "r:a 0"));
        for unknown in ["1-1", "999999999999999999-1", "nonsense", "%00"] {
            let mut viewer = Viewer::of(&service, &format!("r:b?since={unknown}")).await;
            assert_eq!(viewer.text().await, r#"{"type":"resume","recovered":false}"#, "{unknown}");
            producer.publish("r:b", "live").await;
            assert_eq!(viewer.line().await, "live");
        }
    }
}

#[tokio::test]
async fn several_channels_share_a_socket_and_one_id() {
    for history in [MEMORY, REDIS] {
        let redis = TestRedis::start().await;
        let service = service(&redis, &[history]).await;
        let producer = Producer::of(&redis).await;
        let mut plain = Viewer::of(&service, "r:a,b").await;
        let mut viewer = Viewer::of(&service, "r:a,b?history=0").await;
        assert_eq!(viewer.text().await, r#"{"type":"resume","recovered":true,"channel":"a"}"#);
        assert_eq!(viewer.text().await, r#"{"type":"resume","recovered":true,"channel":"b"}"#);
        for number in 0..20 {
            producer.publish(["r:a", "r:b", "r:c"][number % 3], number.to_string()).await;
        }
        assert_eq!(plain.text().await, r#"{"type":"status","data":"0","channel":"a"}"#);
        assert_eq!(plain.text().await, r#"{"type":"status","data":"1","channel":"b"}"#);
        let (read, id) = lines(&mut viewer, 7).await;
        assert_eq!(read, ["0", "1", "3", "4", "6", "7", "9"]);
        let mut again = Viewer::of(&service, &format!("r:a,b?since={id}")).await;
        assert_eq!(again.text().await, r#"{"type":"resume","recovered":true,"channel":"a"}"#);
        assert_eq!(again.text().await, r#"{"type":"resume","recovered":true,"channel":"b"}"#);
        let frame = again.json().await;
        assert_eq!((&frame["data"], &frame["channel"]), (&"10".into(), &"b".into()));
        assert_eq!(lines(&mut again, 6).await.0, ["12", "13", "15", "16", "18", "19"]);
    }
}

#[tokio::test]
async fn an_event_stream_resumes_by_its_last_event_id() {
    let redis = TestRedis::start().await;
    let service = service(&redis, &[]).await;
    let producer = Producer::of(&redis).await;
    let mut viewer = Viewer::of(&service, "r:a?history=0").await;
    viewer.text().await;
    publish(&producer, "r:a", 0..3).await;
    let (_, id) = lines(&mut viewer, 2).await;
    let request = format!("GET /r:a/sse?since=1-1 HTTP/1.1\r\nLast-Event-ID: {id}\r\n\r\n");
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", service.port())).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes()).await.unwrap();
    let mut seen = String::new();
    while !seen.contains("r:a 2") {
        let mut buffer = [0; 1000];
        let count = tokio::io::AsyncReadExt::read(&mut stream, &mut buffer).await.unwrap();
        seen.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
    }
    assert!(seen.contains("data: {\"type\":\"resume\",\"recovered\":true}\n\nid: "), "{seen}");
    assert!(!seen.contains("r:a 1"), "{seen}");
}

#[tokio::test]
async fn with_history_in_redis_the_lines_before_the_first_viewer_and_the_restart_are_there() {
    let redis = TestRedis::start().await;
    let producer = Producer::of(&redis).await;
    let mut first = service(&redis, &[REDIS]).await;
    publish(&producer, "r:a", 0..50).await;
    let mut viewer = Viewer::of(&first, "r:a?history=20").await;
    assert_eq!(viewer.text().await, r#"{"type":"resume","recovered":true}"#);
    let (read, id) = lines(&mut viewer, 20).await;
    assert_eq!(read, numbered("r:a", 30..50));
    assert_eq!(first.terminate().await, 0);
    let second = service(&redis, &[REDIS]).await;
    let mut viewer = Viewer::of(&second, "r:a?history=50").await;
    assert_eq!(viewer.json().await["type"], "resume");
    assert_eq!(lines(&mut viewer, 50).await.0, numbered("r:a", 0..50));
    let mut viewer = Viewer::of(&second, &format!("r:a?since={id}")).await;
    assert_eq!(viewer.json().await["recovered"], false, "nobody listened between the two");
}
