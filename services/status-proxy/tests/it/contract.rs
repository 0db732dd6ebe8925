//! The literal frames of the contract.

use test_support::{TestRedis, eventually, within_patience};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::support::{BINARY, Producer, Servers, Viewer, World, start_service};

#[tokio::test]
async fn lines_arrive_in_order_as_the_literal_frames_of_the_contract() {
    let redis = World::start().await;
    let service = start_service(&redis, &[]).await;
    let producer = Producer::connect(&redis).await;
    let mut viewer = Viewer::connect(&service, "upset-reckoning:wepp").await;
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
        assert_eq!(viewer.next_text().await, frame);
    }
    producer.publish("upset-reckoning:wepp", fred::types::Value::Bytes(b"a\xff\xc3b".to_vec().into())).await;
    assert_eq!(viewer.next_text().await, "{\"type\":\"status\",\"data\":\"a\u{fffd}\u{fffd}b\"}");
    for number in 0..1000 {
        producer.publish("upset-reckoning:wepp", number.to_string()).await;
    }
    for number in 0..1000 {
        assert_eq!(viewer.next_line().await, number.to_string());
    }
}

#[tokio::test]
async fn a_line_that_is_published_right_after_the_101_arrives() {
    let redis = World::start().await;
    let service = start_service(&redis, &[]).await;
    let producer = Producer::connect(&redis).await;
    for number in 0..300 {
        let channel = format!("run-{number}:a");
        let mut viewer = Viewer::connect(&service, &channel).await;
        assert_eq!(producer.publish(&channel, "at once").await, 1);
        assert_eq!(viewer.next_line().await, "at once");
    }
}

#[tokio::test]
async fn the_last_segment_of_the_path_counts_and_is_percent_decoded() {
    let redis = World::start().await;
    let service = start_service(&redis, &[]).await;
    let producer = Producer::connect(&redis).await;
    let mut viewer =
        Viewer::connect(&service, "weppcloud-microservices/status/batch%3B%3Bx%3B%3Brun.1:wepp_log").await;
    producer.publish("batch;;x;;run.1:wepp_log", "here").await;
    assert_eq!(viewer.next_text().await, r#"{"type":"status","data":"here"}"#);
}

#[tokio::test]
async fn a_client_that_answers_pings_stays_and_a_silent_one_is_closed() {
    let redis = World::start().await;
    let service =
        start_service(&redis, &[("STATUS_PING_INTERVAL", "300ms"), ("STATUS_PONG_TIMEOUT", "3s")]).await;
    let (mut silent, mut client) =
        (Viewer::connect(&service, "r:a").await, Viewer::connect(&service, "r:a").await);
    client.send(r#"{"type":"init"}"#).await;
    client.send("what is this").await;
    for _ in 0..6 {
        assert_eq!(client.next().await.unwrap(), r#"{"type":"ping"}"#);
        client.send(r#"{"type":"pong"}"#).await;
    }
    // It is not read from, so that it does not even answer pings of the protocol.
    eventually("it is closed", async || {
        service.metric("status_proxy_connections_closed_total{cause=\"silent\"}").await == 1.0
    })
    .await;
    assert_eq!(silent.wait_for_close().await, Some(1008));
    Producer::connect(&redis).await.publish("r:a", "x").await;
    assert_eq!(client.next_line().await, "x");
}

#[tokio::test]
async fn the_probes_answer_on_the_same_port() {
    let redis = World::start().await;
    let service = start_service(&redis, &[]).await;
    assert_eq!(service.get("/health").await, (200, "OK".to_owned()));
    assert_eq!(service.get("/ready").await.0, 200);
    let _viewer = Viewer::connect(&service, "r:a").await;
    assert_eq!(service.metric("status_proxy_connections").await, 1.0);
    eventually("the viewer is counted", async || service.metric("status_proxy_viewers").await == 1.0).await;
    let quiet = crate::support::start_service(&redis, &[("STATUS_METRICS_ENABLED", "false")]).await;
    assert_eq!(quiet.get("/metrics").await.0, 404);
}

#[tokio::test]
async fn all_viewers_of_a_channel_share_one_subscription_which_ends_after_the_last_one() {
    let redis = World::start().await;
    let service = start_service(&redis, &[("STATUS_HISTORY_AGE", "1s")]).await;
    let producer = Producer::connect(&redis).await;
    let mut viewers = Vec::new();
    for _ in 0..20 {
        viewers.push(Viewer::connect(&service, "r:a").await);
    }
    assert_eq!(producer.publish("r:a", "x").await, 1);
    for viewer in &mut viewers {
        assert_eq!(viewer.next_line().await, "x");
    }
    for viewer in viewers {
        viewer.close().await;
    }
    eventually("the subscription ends", async || producer.publish("r:a", "y").await == 0).await;
}

/// Reads until the text ends with `end`.
async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut received = String::new();
    while !received.ends_with(end) {
        let mut buffer = [0; 1000];
        let count = within_patience("an event", stream.read(&mut buffer)).await.unwrap();
        assert!(count > 0, "the stream ended after {received}");
        received.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
    }
    received
}

#[tokio::test]
async fn server_sent_events_carry_the_same_frames_and_their_ids() {
    let redis = World::start().await;
    let service = start_service(&redis, &[]).await;
    let producer = Producer::connect(&redis).await;
    let mut stream = TcpStream::connect(("127.0.0.1", service.port())).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut stream, b"GET /r:a/sse HTTP/1.1\r\nHost: h\r\n\r\n")
        .await
        .unwrap();
    let head = read_until(&mut stream, "\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"), "{head}");
    producer.publish("r:a", "x").await;
    let event = read_until(&mut stream, "\n\n").await;
    let (id, data) = event.trim_end().split_once('\n').unwrap();
    assert!(id.starts_with("id: ") && id.len() <= 44, "{id}");
    assert_eq!(data, r#"data: {"type":"status","data":"x"}"#);
}

#[tokio::test]
async fn a_python_client_that_is_written_from_the_contract_works() {
    let Some(python) = test_support::find_python("a Python client") else { return };
    let redis = TestRedis::start().await;
    let service = start_service(&redis, &[("STATUS_PING_INTERVAL", "500ms")]).await;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/client.py");
    let mut command = tokio::process::Command::new(python);
    command.args([script, &service.port().to_string(), &redis.port().to_string()]);
    let output = within_patience("the client's end", command.output()).await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn an_invalid_setting_is_named() {
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

#[tokio::test]
async fn a_port_that_is_taken_ends_the_process_with_a_log_event_that_names_the_address() {
    let redis = World::start().await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, url) = (taken.local_addr().unwrap().to_string(), redis.url());
    let vars =
        [("STATUS_LISTEN_ADDR", address.as_str()), ("REDIS_URL", url.as_str()), ("LOG_FORMAT", "json")];
    let mut service = test_support::ServiceProcess::spawn(BINARY, &vars);
    assert_eq!(service.wait_for_exit().await, 1);
    let log = service.log();
    let events: Vec<serde_json::Map<String, serde_json::Value>> =
        log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let names_address = format!("listen on {address}");
    assert!(events.iter().any(|event| event["message"].as_str().unwrap().contains(&names_address)), "{log}");
}
