//! The server as its clients see it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod access;
mod drained;
mod options;
mod support;
mod unfinished;

use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use options::options;
use support::{TestServer, receive_close_code, receive_text};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use ws_server::{ClientAddress, Options, Origins, Overflow};

#[tokio::test]
async fn messages_of_the_service_follow_the_101_in_order() {
    let server = TestServer::start(options()).await;
    let mut client = server.connect("/room").await;
    assert_eq!(receive_text(&mut client).await, "hello /room");
    for number in 0..100 {
        server.publish(&format!("line {number}")).await;
    }
    for number in 0..100 {
        assert_eq!(receive_text(&mut client).await, format!("line {number}"));
    }
    assert_eq!(server.metric("connections{transport=\"websocket\"}"), 1);
    client.close(None).await.unwrap();
    assert_eq!(
        receive_close_code(&mut client).await,
        1000,
        "a close without a code is answered as a normal one"
    );
    server.wait_until_empty().await;
    assert_eq!(server.metric("connections_closed_total{cause=\"client\"}"), 1);
}

#[tokio::test]
async fn plain_requests_are_answered_and_their_connections_end() {
    let server = TestServer::start(options()).await;
    let response = server.send_raw("GET /health HTTP/1.1\r\nHost: h\r\n\r\n").await;
    assert!(response.starts_with("HTTP/1.1 200 OK\r\n") && response.ends_with("\r\n\r\nOK"), "{response}");
    let response = server.send_raw("HEAD /health HTTP/1.1\r\n\r\n").await;
    assert!(response.ends_with("Content-Length: 2\r\nConnection: close\r\n\r\n"), "{response}");
    for (request, status) in [
        ("POST /health HTTP/1.1\r\nContent-Length: 4\r\n\r\nabcd", 405),
        ("nonsense\r\n\r\n", 400),
        ("GET /room HTTP/1.1\r\n\r\n", 426),
        ("GET /room HTTP/1.1\r\nUpgrade: websocket\r\n\r\n", 400),
        (&support::UPGRADE.replace("HTTP/1.1", "HTTP/1.0"), 426),
        (
            "GET /room HTTP/1.1\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Version: 8\r\n\r\n",
            426,
        ),
        (
            "GET /room HTTP/1.1\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short\r\n\r\n",
            400,
        ),
    ] {
        let response = server.send_raw(request).await;
        assert!(response.starts_with(&format!("HTTP/1.1 {status} ")), "{request}: {response}");
    }
    let long = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(20_000));
    assert!(server.send_raw(&long).await.starts_with("HTTP/1.1 431 "));
}

#[tokio::test]
async fn the_example_key_of_the_rfc_gets_the_answer_of_the_rfc() {
    let server = TestServer::start(options()).await;
    let repeated = support::UPGRADE
        .replace("Connection: keep-alive, Upgrade", "Connection: keep-alive\r\nConnection: Upgrade");
    for upgrade in [support::UPGRADE, &repeated] {
        let mut stream = server.connect_tcp().await;
        stream.write_all(upgrade.as_bytes()).await.unwrap();
        let mut received = String::new();
        while !received.contains("\r\n\r\n") {
            let mut buffer = [0; 1024];
            let count = stream.read(&mut buffer).await.unwrap();
            received.push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
        assert!(received.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{received}");
        let accept = "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";
        assert!(received.to_ascii_lowercase().contains(&accept.to_ascii_lowercase()), "{received}");
    }
}

#[tokio::test]
async fn a_clients_texts_reach_the_service_in_order() {
    let server = TestServer::start(options()).await;
    let mut client = server.connect("/room").await;
    receive_text(&mut client).await;
    for number in 0..100 {
        client.feed(Message::text(format!("echo {number}"))).await.unwrap();
        client.feed(Message::binary(vec![0xFF; 300])).await.unwrap();
    }
    client.flush().await.unwrap();
    for number in 0..100 {
        assert_eq!(receive_text(&mut client).await, format!("echo {number}"));
    }
}

#[tokio::test]
async fn thousands_of_pings_in_one_write_are_all_answered_in_order() {
    let server = TestServer::start(options()).await;
    let mut client = server.connect("/room").await;
    receive_text(&mut client).await;
    // The mask is zero, so the payload is as it will be returned. In all far more than the sockets' buffers hold.
    const COUNT: u32 = 100_000;
    let pings: Vec<u8> = (0..COUNT)
        .flat_map(|number| [&[0x89, 0x80 | 100, 0, 0, 0, 0][..], &number.to_be_bytes(), &[7; 96]].concat())
        .collect();
    let (mut reading, mut writing) = client.into_inner().into_split();
    let sender = tokio::spawn(async move {
        writing.write_all(&pings).await.unwrap();
        writing
    });
    // It begins to read when the server has stopped to read.
    tokio::time::timeout(Duration::from_millis(500), async {
        while !sender.is_finished() {
            tokio::task::yield_now().await
        }
    })
    .await
    .unwrap_err();
    let mut pong = [0; 102];
    for number in 0..COUNT {
        reading.read_exact(&mut pong).await.unwrap();
        assert_eq!((&pong[..2], &pong[2..6]), (&[0x8A, 100][..], &number.to_be_bytes()[..]));
    }
    drop(sender.await.unwrap());
}

#[tokio::test]
async fn an_event_stream_gets_events_and_a_comment_as_heartbeat() {
    let mut options = options();
    options.ping_interval = Duration::from_millis(200);
    let server = TestServer::start(options).await;
    let mut stream = server.connect_tcp().await;
    stream.write_all(b"GET /events HTTP/1.1\r\nOrigin: http://page.example\r\n\r\n").await.unwrap();
    let mut received = String::new();
    while !received.contains(": ping\n\n") {
        let mut buffer = [0; 1024];
        let count = stream.read(&mut buffer).await.unwrap();
        received.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
    }
    assert!(received.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"), "{received}");
    assert!(received.contains("Access-Control-Allow-Origin: http://page.example\r\n"), "{received}");
    assert!(received.contains("\r\n\r\nid: 1\ndata: hello /events\n\n"), "{received}");
}

#[tokio::test]
async fn a_page_of_another_origin_is_refused_before_the_upgrade() {
    let mut options = options();
    options.origins = Origins::parse("*.example.org");
    let server = TestServer::start(options).await;
    assert_eq!(server.connect_refused("/room", &[("Origin", "https://evil.test")]).await, 403);
    server.connect_with("/room", &[("Origin", "https://www.example.org")]).await.unwrap();
    server.connect_with("/room", &[]).await.unwrap();
}

#[tokio::test]
async fn a_request_that_never_ends_gets_408() {
    let mut options = options();
    options.handshake_timeout = Duration::from_millis(300);
    let server = TestServer::start(options).await;
    let begin = Instant::now();
    let response = server.send_raw("GET /room HTTP/1.1\r\nHost: never ends").await;
    assert!(response.starts_with("HTTP/1.1 408 "), "{response}");
    assert!(begin.elapsed() >= Duration::from_millis(300));
    assert_eq!(server.metric("requests_refused_total{reason=\"handshake-timeout\"}"), 1);
}

#[tokio::test]
async fn a_protocol_error_closes_with_its_code() {
    let mut options = options();
    options.max_message_size = 1000;
    let server = TestServer::start(options).await;
    for (bytes, code) in [
        (&b"\x81\x01x\0\0\0\0"[..], 1002),
        (b"\x83\x80\0\0\0\0", 1002),
        (b"\x81\x82\0\0\0\0\xc0\x80", 1007),
        (b"\x82\xff\0\0\0\0\x10\0\0\0\0\0\0\0", 1009),
    ] {
        let mut client = server.connect("/room").await;
        receive_text(&mut client).await;
        client.get_mut().write_all(bytes).await.unwrap();
        assert_eq!(receive_close_code(&mut client).await, code, "{bytes:?}");
    }
    let mut client = server.connect("/room").await;
    receive_text(&mut client).await;
    client.send(Message::Text("x".repeat(1000).into())).await.unwrap();
    client.send(Message::Ping("are you there".into())).await.unwrap();
    assert_eq!(client.next().await.unwrap().unwrap(), Message::Pong("are you there".into()));
}

#[tokio::test]
async fn frames_are_treated_as_the_rfc_wants() {
    let server = TestServer::start(options()).await;
    test_support::framing::run(server.address().port(), "/room", options().max_message_size).await;
    server.wait_until_empty().await;
}

#[tokio::test]
async fn pings_are_sent_at_the_interval_and_a_silent_client_is_closed_with_1008() {
    let mut options = options();
    options.ping_interval = Duration::from_millis(200);
    // Much longer than the interval: on a busy machine the pong may be late.
    options.pong_timeout = Duration::from_secs(3);
    let server = TestServer::start(options).await;
    let begin = Instant::now();
    let (mut answering, mut silent) = (server.connect("/a").await, server.connect("/b").await);
    receive_text(&mut answering).await;
    for ping in 1..=8 {
        assert_eq!(receive_text(&mut answering).await, r#"{"type":"ping"}"#);
        assert!(begin.elapsed() >= Duration::from_millis(200) * ping);
        answering.send(Message::text(r#"{"type":"pong"}"#)).await.unwrap();
    }
    // It is not read from, so that it does not even answer pings.
    while server.metric("connections_closed_total{cause=\"silent\"}") != 1 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(receive_close_code(&mut silent).await, 1008);
    server.publish("still here").await;
    while receive_text(&mut answering).await != "still here" {}
}

#[tokio::test]
async fn a_client_that_only_listens_stays_connected_because_it_answers_pings_of_the_protocol() {
    let mut options = options();
    options.ping_interval = Duration::from_millis(200);
    options.pong_timeout = Duration::from_secs(2);
    let server = TestServer::start(options).await;
    let mut listener = server.connect("/a").await;
    receive_text(&mut listener).await;
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(6) {
        assert_eq!(receive_text(&mut listener).await, r#"{"type":"ping"}"#);
    }
}

#[tokio::test]
async fn a_client_is_closed_with_4401_when_its_access_ends_unless_that_is_moved() {
    let server = TestServer::start(options()).await;
    let begin = Instant::now();
    let (mut expiring, mut renewed) = (server.connect("/expiring").await, server.connect("/expiring").await);
    assert_eq!(receive_text(&mut expiring).await, "hello /expiring");
    renewed.send(Message::text("renew")).await.unwrap();
    assert_eq!(receive_close_code(&mut expiring).await, 4401);
    // The upper bound has room for a busy machine.
    assert!((1_900..8_000).contains(&begin.elapsed().as_millis()), "{:?}", begin.elapsed());
    assert_eq!(server.metric("connections_closed_total{cause=\"expired\"}"), 1);
    assert_eq!(receive_text(&mut renewed).await, "hello /expiring");
    server.publish("still here").await;
    assert_eq!(receive_text(&mut renewed).await, "still here");
}

#[tokio::test]
async fn an_end_that_an_open_client_gets_later_is_noticed_when_it_is_due() {
    let server = TestServer::start(options()).await;
    for path in ["/room", "/expiring"] {
        let mut client = server.connect(path).await;
        receive_text(&mut client).await;
        let begin = Instant::now();
        client.send(Message::text("expire")).await.unwrap();
        assert_eq!(receive_close_code(&mut client).await, 4401);
        // Its next ping is due in 30 s.
        assert!((250..2_000).contains(&begin.elapsed().as_millis()), "{path}: {:?}", begin.elapsed());
    }
}

#[tokio::test]
async fn a_client_that_stops_reading_is_closed_with_1013_and_no_other_waits() {
    let mut options = options();
    options.overflow = Overflow::Close { max_bytes: 256 * 1024 };
    options.write_timeout = Duration::from_secs(30);
    let server = TestServer::start(options).await;
    let (mut reader, mut stalled) = (server.connect("/a").await, server.connect("/b").await);
    receive_text(&mut reader).await;
    let line = "x".repeat(10_000);
    let mut slowest = Duration::ZERO;
    while server.metric("connections_closed_total{cause=\"slow\"}") == 0 {
        let begin = Instant::now();
        server.publish(&line).await;
        assert_eq!(receive_text(&mut reader).await, line);
        slowest = slowest.max(begin.elapsed());
    }
    // Far below the stalled client's timeout, with room for a busy machine.
    assert!(slowest < Duration::from_secs(10), "{slowest:?}");
    assert_eq!(receive_close_code(&mut stalled).await, 1013, "it gets the close code when it reads again");
}

#[tokio::test]
async fn with_keep_latest_a_message_that_waits_is_replaced_by_a_newer_one() {
    let mut options = options();
    options.overflow = Overflow::KeepLatest;
    options.write_timeout = Duration::from_secs(30);
    let server = TestServer::start(options).await;
    let mut client = server.connect("/a").await;
    receive_text(&mut client).await;
    for number in 0..2_000 {
        server.publish(&format!("{number} {}", "x".repeat(10_000))).await;
    }
    let (mut count, mut last) = (0, String::new());
    while !last.starts_with("1999 ") {
        last = receive_text(&mut client).await;
        count += 1;
    }
    assert!(count < 2_000, "{count} of 2000 messages were sent to a client that did not read");
}

#[tokio::test]
async fn an_address_over_its_limit_is_refused_and_others_are_served() {
    let mut options = options();
    options.max_connections_per_address = 50;
    let server = TestServer::start(options).await;
    let mut clients = Vec::new();
    for _ in 0..50 {
        clients.push(server.connect("/room").await);
    }
    let mut refused = Vec::new();
    for _ in 0..500 {
        refused.push(server.connect_tcp().await);
    }
    for stream in &mut refused {
        let mut response = String::new();
        stream.read_to_string(&mut response).await.unwrap();
        assert!(response.starts_with("HTTP/1.1 429 "), "{response}");
    }
    let other_address = tokio::net::TcpSocket::new_v4().unwrap();
    other_address.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let stream = other_address.connect(server.address()).await.unwrap();
    let response = support::send_raw_on(stream, "GET /health HTTP/1.1\r\n\r\n").await;
    assert!(response.ends_with("OK"), "{response}");
    drop((clients, refused));
    server.wait_until_empty().await;
    server.connect("/room").await;
}

#[tokio::test]
async fn at_the_limit_of_clients_a_client_gets_503_and_probes_are_answered() {
    let mut options = options();
    options.max_connections = 2;
    let server = TestServer::start(options).await;
    let _clients = (server.connect("/a").await, server.connect("/b").await);
    assert_eq!(server.connect_refused("/c", &[]).await, 503);
    assert!(server.send_raw("GET /health HTTP/1.1\r\n\r\n").await.ends_with("OK"));
}

#[tokio::test]
async fn a_drain_closes_all_clients_with_1012_spread_over_its_time() {
    let mut options = options();
    options.drain_message = Some(r#"{"type":"hangup"}"#);
    let mut server = TestServer::start(options).await;
    let mut clients = Vec::new();
    for _ in 0..50 {
        clients.push(server.connect("/room").await);
    }
    let begin = Instant::now();
    server.stop();
    let close_times = clients.into_iter().map(|mut client| async move {
        assert_eq!(receive_text(&mut client).await, "hello /room");
        assert_eq!(receive_text(&mut client).await, r#"{"type":"hangup"}"#);
        assert_eq!(receive_close_code(&mut client).await, 1012);
        begin.elapsed()
    });
    let requests = async {
        server.wait_until_draining().await;
        assert_eq!(server.connect_refused("/room", &[]).await, 503);
        assert!(server.send_raw("GET /health HTTP/1.1\r\n\r\n").await.ends_with("OK"));
    };
    let (mut times, ()) = futures_util::join!(futures_util::future::join_all(close_times), requests);
    server.wait_until_stopped().await;
    let end = begin.elapsed();
    times.sort();
    // On a busy machine the first or the last close may be late.
    assert!(times[49] - times[0] > support::DRAIN / 4, "spread over {:?}", times[49] - times[0]);
    assert!(end < support::DRAIN + Duration::from_secs(5), "{end:?}");
}

#[tokio::test]
async fn the_guard_of_a_client_that_resets_its_connection_is_dropped() {
    let server = TestServer::start(options()).await;
    let mut stream = server.connect_tcp().await;
    stream.write_all(support::UPGRADE.as_bytes()).await.unwrap();
    server.wait_for_count(1).await;
    let stream: TcpStream = stream;
    socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    drop(stream);
    server.wait_until_empty().await;
}
