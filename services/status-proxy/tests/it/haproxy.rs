//! The shipped haproxy where it answers by itself.

use test_support::{Haproxy, eventually, free_port, within_patience};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Sends a GET, and returns the whole response.
async fn get(port: u16, path: &str, accept: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    within_patience("a response", stream.read_to_string(&mut response)).await.unwrap();
    response
}

#[tokio::test]
async fn an_event_source_connects_again_after_a_time_without_any_instance() {
    let haproxy = Haproxy::start("status-proxy", &[free_port()]).await;
    let (head, body) = {
        let response = get(haproxy.port(), "/run:wepp/sse", "text/event-stream").await;
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        (head.to_ascii_lowercase(), body.to_owned())
    };
    assert!(head.starts_with("http/1.1 200 ") && head.contains("content-type: text/event-stream"), "{head}");
    assert_eq!(body, "retry: 3000\n\n");
    let response = get(haproxy.port(), "/run:wepp", "*/*").await;
    assert!(response.starts_with("HTTP/1.1 503 "), "{response}");
    assert!(response.ends_with("no instance takes requests now\n\n"), "{response}");
}

#[tokio::test]
async fn haproxy_logs_no_token() {
    let haproxy = Haproxy::start("status-proxy", &[free_port()]).await;
    get(haproxy.port(), "/run:wepp?token=SECRET", "*/*").await;
    eventually("the failure is logged", async || haproxy.log().contains("GET /run:wepp HTTP/1.1")).await;
    assert!(!haproxy.log().contains("SECRET"), "{}", haproxy.log());
}
