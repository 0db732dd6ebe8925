//! Who may ask for what: names, pages, proxies.

use ws_server::{ClientAddress, Hosts, Origins, parse_network};

use crate::options::options;
use crate::support::{TestServer, UPGRADE, receive_text};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::test]
async fn a_page_under_a_name_that_was_rebound_to_the_service_is_refused_and_probes_are_answered() {
    let mut options = options();
    options.origins = Origins::parse("www.example.org");
    options.hosts = Some(Hosts::parse("status.example.org"));
    let server = TestServer::start(options).await;
    let rebound = [("Host", "evil.test"), ("Origin", "http://evil.test")];
    assert_eq!(server.connect_refused("/room", &rebound).await, 421);
    assert_eq!(server.metric("requests_refused_total{reason=\"host\"}"), 1);
    let response = server.send_raw("GET /events HTTP/1.1\r\nHost: evil.test:9002\r\n\r\n").await;
    assert!(response.starts_with("HTTP/1.1 421 ") && response.contains("ALLOWED_HOSTS"), "{response}");
    let own = [("Host", "status.example.org"), ("Origin", "https://www.example.org")];
    receive_text(&mut server.connect_with("/room", &own).await.unwrap()).await;
    server.connect("/room").await;
    let response = server.send_raw("GET /health HTTP/1.1\r\nHost: metrics.internal\r\n\r\n").await;
    assert!(response.ends_with("OK"), "{response}");
}

#[tokio::test]
async fn an_origin_that_is_no_origin_is_refused() {
    let mut options = options();
    options.origins = Origins::parse("*.example.org");
    let server = TestServer::start(options).await;
    server.connect_with("/room", &[("Origin", "https://a.example.org")]).await.unwrap();
    assert_eq!(server.connect_refused("/room", &[("Origin", "https://evil.test/a.example.org")]).await, 403);
}

#[tokio::test]
async fn a_page_of_the_list_may_send_credentials_and_headers_and_reads_refusals() {
    let mut options = options();
    options.origins = Origins::parse("www.example.org");
    let server = TestServer::start(options).await;
    let origin = "Origin: https://www.example.org\r\n";
    let response = server.send_raw(&format!("OPTIONS /events HTTP/1.1\r\n{origin}\r\n")).await;
    assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
    for header in [
        "Access-Control-Allow-Origin: https://www.example.org",
        "Access-Control-Allow-Credentials: true",
        "Access-Control-Allow-Headers: Authorization, Cache-Control, Last-Event-ID",
    ] {
        assert!(response.contains(&format!("{header}\r\n")), "{response}");
    }
    let response = server.send_raw(&format!("GET /room HTTP/1.1\r\n{origin}\r\n")).await;
    assert!(
        response.starts_with("HTTP/1.1 426 ") && response.contains("Access-Control-Allow-Origin"),
        "{response}"
    );
    let evil = server.send_raw("OPTIONS /events HTTP/1.1\r\nOrigin: https://evil.test\r\n\r\n").await;
    assert!(evil.starts_with("HTTP/1.1 403 ") && !evil.contains("Access-Control"), "{evil}");
}

#[tokio::test]
async fn an_event_source_beyond_the_limit_is_told_when_to_come_back() {
    let mut options = options();
    options.max_connections = 1;
    let server = TestServer::start(options).await;
    let _client = server.connect("/room").await;
    let request = "GET /events HTTP/1.1\r\nAccept: text/event-stream\r\nOrigin: http://a.test\r\n\r\n";
    let response = server.send_raw(request).await;
    assert!(response.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"), "{response}");
    assert!(response.ends_with("\r\n\r\n: too many connections\nretry: 5000\n\n"), "{response}");
    assert!(response.contains("Access-Control-Allow-Origin: http://a.test\r\n"), "{response}");
    assert!(server.send_raw("GET /events HTTP/1.1\r\n\r\n").await.starts_with("HTTP/1.1 503 "));
}

#[tokio::test]
async fn behind_a_proxy_that_speaks_the_proxy_protocol_the_limit_is_per_client() {
    let mut options = options();
    options.client_address = ClientAddress::ProxyProtocol;
    options.trusted_proxies = vec![parse_network("127.0.0.1").unwrap()];
    options.max_connections_per_address = 1;
    let server = TestServer::start(options).await;
    let mut open = Vec::new();
    let spoofed = UPGRADE.replace("Host: h\r\n", "Host: h\r\nX-Forwarded-For: 192.0.2.99\r\n");
    for (client, status) in [("203.0.113.7", "101"), ("203.0.113.8", "101"), ("203.0.113.7", "429")] {
        let mut stream = server.connect_tcp().await;
        let header = format!("PROXY TCP4 {client} 127.0.0.1 47011 9002\r\n");
        stream.write_all(format!("{header}{spoofed}").as_bytes()).await.unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer, format!("HTTP/1.1 {status}").as_bytes(), "{client}");
        open.push(stream);
    }
    let without = server.send_raw("GET /health HTTP/1.1\r\n\r\n").await;
    assert!(without.starts_with("HTTP/1.1 400 "), "{without}");
}

#[tokio::test]
async fn the_subprotocol_that_carries_a_token_is_answered() {
    let server = TestServer::start(options()).await;
    server.connect_with("/room", &[("Sec-WebSocket-Protocol", "bearer, a.b.c")]).await.unwrap();
    let request = UPGRADE.replace("Host: h\r\n", "Host: h\r\nSec-WebSocket-Protocol: bearer, a.b.c\r\n");
    let mut stream = server.connect_tcp().await;
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = vec![0; 300];
    let length = stream.read(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer[..length]).to_lowercase();
    assert!(answer.contains("sec-websocket-protocol: bearer\r\n"), "{answer}");
}

#[tokio::test]
async fn an_event_source_that_is_refused_at_its_first_byte_is_told_when_to_come_back_too() {
    const EVENTS: &str =
        "GET /events HTTP/1.1\r\nHost: h\r\nAccept: text/event-stream\r\nOrigin: http://a.test\r\n\r\n";
    let mut options = options();
    options.max_connections_per_address = 1;
    let server = TestServer::start(options).await;
    let _client = server.connect("/room").await;
    let response = server.send_raw(EVENTS).await;
    assert!(response.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"), "{response}");
    assert!(response.ends_with(": too many connections from this address\nretry: 5000\n\n"), "{response}");
    assert!(response.contains("Access-Control-Allow-Origin: http://a.test\r\n"), "{response}");
    assert!(server.send_raw("GET /events HTTP/1.1\r\n\r\n").await.starts_with("HTTP/1.1 429 "));
    assert_eq!(server.connect_refused("/room", &[]).await, 429);
    // One that says nothing is not waited for.
    let mut silent = server.connect_tcp().await;
    let mut response = String::new();
    silent.read_to_string(&mut response).await.unwrap();
    assert!(response.starts_with("HTTP/1.1 429 "), "{response}");
    // In a flood nobody is waited for. What has arrived with the connection is looked at.
    let mut flood = Vec::new();
    for _ in 0..300 {
        flood.push(server.connect_tcp().await);
    }
    while server.metric("requests_refused_total{reason=\"address\"}") < 304 {
        tokio::task::yield_now().await;
    }
    let socket = std::net::TcpStream::connect(server.address()).unwrap();
    std::io::Write::write_all(&mut &socket, EVENTS.as_bytes()).unwrap();
    socket.set_nonblocking(true).unwrap();
    let mut response = String::new();
    TcpStream::from_std(socket).unwrap().read_to_string(&mut response).await.unwrap();
    assert!(response.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"), "{response}");
}
