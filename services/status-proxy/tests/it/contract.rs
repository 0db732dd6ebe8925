//! The frames of the contract, literally.

use test_support::{TestRedis, eventually};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::world::{BINARY, Producer, Viewer, service};

#[tokio::test]
async fn lines_arrive_in_order_as_the_literal_frames_of_the_contract() {
    let redis = TestRedis::start().await;
    let service = service(&redis, &[]).await;
    let producer = Producer::of(&redis).await;
    let mut viewer = Viewer::of(&service, "upset-reckoning:wepp").await;
    for (published, frame) in [
        ("hello", r#"{"type":"status","data":"hello"}"#),
        ("", r#"{"type":"status","data":""}"#),
        (
            "rq:4 TRIGGER wepp WEPP_RUN_TASK_COMPLETED",
            r#"{"type":"status","data":"rq:4 TRIGGER wepp WEPP_RUN_TASK_COMPLETED"}"#,
        ),
        ("a \"quote\" \\ and\na\tline", r#"{"type":"status","data":"a \"quote\" \\ and\na\tline"}"#),
        ("grüße € 🦀 </b>", r#"{"type":"status","data":"grüße € 🦀 </b>"}"#),
        ("\u{1}", r#"{"type":"status","data":"\u0001"}"#),
    ] {
        assert_eq!(producer.publish("upset-reckoning:wepp", published).await, 1);
        assert_eq!(viewer.text().await, frame);
    }
    producer.publish("upset-reckoning:wepp", fred::types::Value::Bytes(b"a\xff\xc3b".to_vec().into())).await;
    assert_eq!(viewer.text().await, "{\"type\":\"status\",\"data\":\"a\u{fffd}\u{fffd}b\"}");
    for number in 0..1000 {
        producer.publish("upset-reckoning:wepp", number.to_string()).await;
    }
    for number in 0..1000 {
        assert_eq!(viewer.line().await, number.to_string());
    }
}

#[tokio::test]
async fn the_subscription_stands_when_the_101_comes() {
    let redis = TestRedis::start().await;
    let service = service(&redis, &[]).await;
    let producer = Producer::of(&redis).await;
    for number in 0..300 {
        let channel = format!("run-{number}:a");
        let mut viewer = Viewer::of(&service, &channel).await;
        assert_eq!(producer.publish(&channel, "at once").await, 1);
        assert_eq!(viewer.line().await, "at once");
    }
}

#[tokio::test]
async fn the_last_segment_counts_and_is_percent_decoded() {
    let redis = TestRedis::start().await;
    let service = service(&redis, &[]).await;
    let producer = Producer::of(&redis).await;
    let mut viewer =
        Viewer::of(&service, "weppcloud-microservices/status/batch%3B%3Bx%3B%3Brun.1:wepp_log").await;
    producer.publish("batch;;x;;run.1:wepp_log", "here").await;
    assert_eq!(viewer.text().await, r#"{"type":"status","data":"here"}"#);
}

#[tokio::test]
async fn a_client_that_answers_pings_stays_and_a_silent_one_is_closed() {
    let redis = TestRedis::start().await;
    let service = service(&redis, &[("STATUS_PING_INTERVAL", "300ms"), ("STATUS_PONG_TIMEOUT", "3s")]).await;
    let (mut silent, mut client) = (Viewer::of(&service, "r:a").await, Viewer::of(&service, "r:a").await);
    client.send(r#"{"type":"init"}"#).await;
    client.send("what is this").await;
    for _ in 0..6 {
        assert_eq!(client.next().await.unwrap(), r#"{"type":"ping"}"#);
        client.send(r#"{"type":"pong"}"#).await;
    }
    assert_eq!(silent.closed().await, Some(1008));
    Producer::of(&redis).await.publish("r:a", "x").await;
    assert_eq!(client.line().await, "x");
}

#[tokio::test]
async fn the_probes_answer_on_the_same_port() {
    let redis = TestRedis::start().await;
    let service = service(&redis, &[]).await;
    assert_eq!(service.get("/health").await, (200, "OK".to_owned()));
    assert_eq!(service.get("/ready").await.0, 200);
    let _viewer = Viewer::of(&service, "r:a").await;
    assert_eq!(service.metric("status_proxy_connections").await, 1.0);
    eventually("the viewer is counted", async || service.metric("status_proxy_viewers").await == 1.0).await;
    let quiet = crate::world::service(&redis, &[("STATUS_METRICS_ENABLED", "false")]).await;
    assert_eq!(quiet.get("/metrics").await.0, 404);
}

#[tokio::test]
async fn every_viewer_of_a_channel_shares_one_subscription_and_the_last_one_out_ends_it() {
    let redis = TestRedis::start().await;
    let service = service(&redis, &[("STATUS_HISTORY_AGE", "1s")]).await;
    let producer = Producer::of(&redis).await;
    let mut viewers = Vec::new();
    for _ in 0..20 {
        viewers.push(Viewer::of(&service, "r:a").await);
    }
    assert_eq!(producer.publish("r:a", "x").await, 1);
    for viewer in &mut viewers {
        assert_eq!(viewer.line().await, "x");
    }
    for viewer in viewers {
        viewer.close().await;
    }
    eventually("the subscription ends", async || producer.publish("r:a", "y").await == 0).await;
}

/// Reads up to and with this end.
async fn read_to(stream: &mut TcpStream, end: &str) -> String {
    let mut seen = String::new();
    while !seen.ends_with(end) {
        let mut buffer = [0; 1000];
        let count = stream.read(&mut buffer).await.unwrap();
        assert!(count > 0, "the stream ended after {seen}");
        seen.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
    }
    seen
}

#[tokio::test]
async fn events_carry_the_same_frames_and_their_ids() {
    let redis = TestRedis::start().await;
    let service = service(&redis, &[]).await;
    let producer = Producer::of(&redis).await;
    let mut stream = TcpStream::connect(("127.0.0.1", service.port())).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut stream, b"GET /r:a/sse HTTP/1.1\r\nHost: h\r\n\r\n")
        .await
        .unwrap();
    let head = read_to(&mut stream, "\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"), "{head}");
    producer.publish("r:a", "x").await;
    let event = read_to(&mut stream, "\n\n").await;
    let (id, data) = event.trim_end().split_once('\n').unwrap();
    assert!(id.starts_with("id: ") && id.len() <= 44, "{id}");
    assert_eq!(data, r#"data: {"type":"status","data":"x"}"#);
}

#[tokio::test]
async fn a_python_client_written_from_the_contract_works_unchanged() {
    let Some(python) = test_support::find_python("a Python client") else { return };
    let redis = TestRedis::start().await;
    let service = service(&redis, &[("STATUS_PING_INTERVAL", "500ms")]).await;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/client.py");
    let output = tokio::process::Command::new(python)
        .args([script, &service.port().to_string(), &redis.port().to_string()])
        .output()
        .await
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn a_setting_that_cannot_be_used_is_named() {
    for (variable, value) in [
        ("STATUS_PING_INTERVAL", "soon"),
        ("STATUS_HISTORY", "disk"),
        ("STATUS_TOKEN_KEY", "short"),
        ("STATUS_TRUSTED_PROXIES", "everyone"),
        ("STATUS_PONG_TIMEOUT", "1s"),
    ] {
        let mut service = test_support::ServiceProcess::spawn(BINARY, &[(variable, value)]);
        assert_eq!(service.wait_for_exit().await, 2);
        let log = service.log();
        assert!(
            log.starts_with(&format!("status-proxy: {variable} must ")) && log.lines().count() == 1,
            "{log}"
        );
    }
}
