//! History, in memory and in Redis.

use test_support::within_patience;

use crate::support::{Producer, Viewer, World, start_service};

const REDIS: (&str, &str) = ("STATUS_HISTORY", "redis");
const MEMORY: (&str, &str) = ("STATUS_HISTORY", "memory");

async fn publish_numbers(producer: &Producer, channel: &str, numbers: std::ops::Range<usize>) {
    for number in numbers {
        producer.publish(channel, format!("{channel} {number}")).await;
    }
}

/// Reads this many status frames, and returns their texts and the last id.
async fn read_lines(viewer: &mut Viewer, count: usize) -> (Vec<String>, String) {
    let (mut lines, mut id) = (Vec::new(), String::new());
    for _ in 0..count {
        let frame = viewer.next_json().await;
        assert_eq!(frame["type"], "status", "{frame}");
        lines.push(frame["data"].as_str().unwrap().to_owned());
        id = frame["id"].as_str().unwrap().to_owned();
        assert!(id.len() <= 40);
    }
    (lines, id)
}

fn numbered_lines(channel: &str, numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(|number| format!("{channel} {number}")).collect()
}

#[tokio::test]
async fn the_last_lines_come_before_live_ones() {
    for history in [MEMORY, REDIS] {
        let redis = World::start().await;
        let service = start_service(&redis, &[history]).await;
        let producer = Producer::connect(&redis).await;
        let mut early = Viewer::connect(&service, "r:a").await;
        publish_numbers(&producer, "r:a", 0..10).await;
        for number in 0..10 {
            assert_eq!(early.next_text().await, format!(r#"{{"type":"status","data":"r:a {number}"}}"#));
        }
        let mut viewer = Viewer::connect(&service, "r:a?history=3").await;
        assert_eq!(viewer.next_text().await, r#"{"type":"resume","recovered":true}"#);
        publish_numbers(&producer, "r:a", 10..12).await;
        assert_eq!(read_lines(&mut viewer, 5).await.0, numbered_lines("r:a", 7..12));
        let mut greedy = Viewer::connect(&service, "r:a?history=100").await;
        assert_eq!(
            greedy.next_text().await,
            r#"{"type":"resume","recovered":false}"#,
            "there may have been more"
        );
        assert_eq!(read_lines(&mut greedy, 12).await.0, numbered_lines("r:a", 0..12));
    }
}

#[tokio::test]
async fn a_client_that_reconnects_gets_every_line_once() {
    for history in [MEMORY, REDIS] {
        let redis = World::start().await;
        let service = start_service(&redis, &[history]).await;
        let producer = Producer::connect(&redis).await;
        let mut viewer = Viewer::connect(&service, "r:a?history=0").await;
        assert_eq!(viewer.next_text().await, r#"{"type":"resume","recovered":true}"#);
        let mut published = 0;
        let mut received = 0;
        for round in 1..20 {
            publish_numbers(&producer, "r:a", published..published + round).await;
            published += round;
            let (read, id) = read_lines(&mut viewer, round / 2 + 1).await;
            assert_eq!(read, numbered_lines("r:a", received..received + read.len()));
            received += read.len();
            drop(viewer);
            viewer = Viewer::connect(&service, &format!("r:a?since={id}")).await;
            assert_eq!(viewer.next_text().await, r#"{"type":"resume","recovered":true}"#);
        }
        assert_eq!(
            read_lines(&mut viewer, published - received).await.0,
            numbered_lines("r:a", received..published)
        );
    }
}

#[tokio::test]
async fn after_dropped_lines_or_an_unknown_id_nothing_is_called_recovered() {
    for history in [MEMORY, REDIS] {
        let redis = World::start().await;
        let service = start_service(&redis, &[history, ("STATUS_HISTORY_LINES", "5")]).await;
        let producer = Producer::connect(&redis).await;
        let mut viewer = Viewer::connect(&service, "r:a?history=0").await;
        viewer.next_text().await;
        publish_numbers(&producer, "r:a", 0..1).await;
        let (_, first) = read_lines(&mut viewer, 1).await;
        publish_numbers(&producer, "r:a", 1..500).await;
        read_lines(&mut viewer, 499).await;
        let mut late = Viewer::connect(&service, &format!("r:a?since={first}")).await;
        assert_eq!(late.next_text().await, r#"{"type":"resume","recovered":false}"#);
        assert!(read_lines(&mut late, 5).await.0.iter().all(|line| line != "r:a 0"));
        for unknown in ["1-1", "999999999999999999-1", "nonsense", "%00"] {
            let mut viewer = Viewer::connect(&service, &format!("r:b?since={unknown}")).await;
            assert_eq!(viewer.next_text().await, r#"{"type":"resume","recovered":false}"#, "{unknown}");
            producer.publish("r:b", "live").await;
            assert_eq!(viewer.next_line().await, "live");
        }
    }
}

#[tokio::test]
async fn several_channels_share_a_socket_and_one_id() {
    for history in [MEMORY, REDIS] {
        let redis = World::start().await;
        let service = start_service(&redis, &[history]).await;
        let producer = Producer::connect(&redis).await;
        let mut plain = Viewer::connect(&service, "r:a,b").await;
        let mut viewer = Viewer::connect(&service, "r:a,b?history=0").await;
        assert_eq!(viewer.next_text().await, r#"{"type":"resume","recovered":true,"channel":"a"}"#);
        assert_eq!(viewer.next_text().await, r#"{"type":"resume","recovered":true,"channel":"b"}"#);
        for number in 0..20 {
            producer.publish(["r:a", "r:b", "r:c"][number % 3], number.to_string()).await;
        }
        assert_eq!(plain.next_text().await, r#"{"type":"status","data":"0","channel":"a"}"#);
        assert_eq!(plain.next_text().await, r#"{"type":"status","data":"1","channel":"b"}"#);
        let (read, id) = read_lines(&mut viewer, 7).await;
        assert_eq!(read, ["0", "1", "3", "4", "6", "7", "9"]);
        let mut again = Viewer::connect(&service, &format!("r:a,b?since={id}")).await;
        assert_eq!(again.next_text().await, r#"{"type":"resume","recovered":true,"channel":"a"}"#);
        assert_eq!(again.next_text().await, r#"{"type":"resume","recovered":true,"channel":"b"}"#);
        let frame = again.next_json().await;
        assert_eq!((&frame["data"], &frame["channel"]), (&"10".into(), &"b".into()));
        assert_eq!(read_lines(&mut again, 6).await.0, ["12", "13", "15", "16", "18", "19"]);
    }
}

#[tokio::test]
async fn an_event_stream_resumes_by_its_last_event_id() {
    let redis = World::start().await;
    let service = start_service(&redis, &[]).await;
    let producer = Producer::connect(&redis).await;
    let mut viewer = Viewer::connect(&service, "r:a?history=0").await;
    viewer.next_text().await;
    publish_numbers(&producer, "r:a", 0..3).await;
    let (_, id) = read_lines(&mut viewer, 2).await;
    let request = format!("GET /r:a/sse?since=1-1 HTTP/1.1\r\nLast-Event-ID: {id}\r\n\r\n");
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", service.port())).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes()).await.unwrap();
    let mut received = String::new();
    while !received.contains("r:a 2") {
        let mut buffer = [0; 1000];
        let read = tokio::io::AsyncReadExt::read(&mut stream, &mut buffer);
        let count = within_patience("an event", read).await.unwrap();
        assert!(count > 0, "the stream ended after {received}");
        received.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
    }
    assert!(received.contains("data: {\"type\":\"resume\",\"recovered\":true}\n\nid: "), "{received}");
    assert!(!received.contains("r:a 1"), "{received}");
}

#[tokio::test]
async fn with_history_in_redis_lines_from_before_the_first_viewer_and_a_restart_are_kept() {
    let redis = World::start().await;
    let producer = Producer::connect(&redis).await;
    let mut first = start_service(&redis, &[REDIS]).await;
    publish_numbers(&producer, "r:a", 0..50).await;
    let mut viewer = Viewer::connect(&first, "r:a?history=20").await;
    assert_eq!(viewer.next_text().await, r#"{"type":"resume","recovered":true}"#);
    let (read, id) = read_lines(&mut viewer, 20).await;
    assert_eq!(read, numbered_lines("r:a", 30..50));
    assert_eq!(first.terminate().await, 0);
    let second = start_service(&redis, &[REDIS]).await;
    let mut viewer = Viewer::connect(&second, "r:a?history=50").await;
    assert_eq!(viewer.next_json().await["type"], "resume");
    assert_eq!(read_lines(&mut viewer, 50).await.0, numbered_lines("r:a", 0..50));
    let mut viewer = Viewer::connect(&second, &format!("r:a?since={id}")).await;
    assert_eq!(viewer.next_json().await["recovered"], false, "no instance listened between the two");
}
