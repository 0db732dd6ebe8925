//! The server as its clients see it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod options;
mod world;

use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use options::options;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use world::{World, close_code, text};
use ws_server::{Options, Origins, Overflow};

#[tokio::test]
async fn what_a_service_sends_follows_the_101_in_order() {
    let world = World::start(options()).await;
    let mut client = world.connect("/room").await;
    assert_eq!(text(&mut client).await, "hello /room");
    for number in 0..100 {
        world.publish(&format!("line {number}")).await;
    }
    for number in 0..100 {
        assert_eq!(text(&mut client).await, format!("line {number}"));
    }
    assert_eq!(world.metric("connections{transport=\"websocket\"}"), 1);
    client.close(None).await.unwrap();
    assert_eq!(close_code(&mut client).await, 1000, "a close without a code is answered as a normal one");
    world.until_empty().await;
    assert_eq!(world.metric("connections_closed_total{cause=\"client\"}"), 1);
}

#[tokio::test]
async fn plain_requests_are_answered_and_the_connection_ends() {
    let world = World::start(options()).await;
    let answer = world.exchange("GET /health HTTP/1.1\r\nHost: h\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nOK"), "{answer}");
    let answer = world.exchange("HEAD /health HTTP/1.1\r\n\r\n").await;
    assert!(answer.ends_with("Content-Length: 2\r\nConnection: close\r\n\r\n"), "{answer}");
    for (request, status) in [
        ("POST /health HTTP/1.1\r\nContent-Length: 4\r\n\r\nabcd", 405),
        ("nonsense\r\n\r\n", 400),
        ("GET /room HTTP/1.1\r\n\r\n", 426),
        ("GET /room HTTP/1.1\r\nUpgrade: websocket\r\n\r\n", 400),
        (
            "GET /room HTTP/1.1\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Version: 8\r\n\r\n",
            426,
        ),
        (
            "GET /room HTTP/1.1\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short\r\n\r\n",
            400,
        ),
    ] {
        let answer = world.exchange(request).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request}: {answer}");
    }
    let long = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(20_000));
    assert!(world.exchange(&long).await.starts_with("HTTP/1.1 431 "));
}

#[tokio::test]
async fn an_event_stream_gets_events_and_a_comment_for_a_heartbeat() {
    let mut options = options();
    options.ping_interval = Duration::from_millis(200);
    let world = World::start(options).await;
    let mut stream = world.tcp().await;
    stream.write_all(b"GET /events HTTP/1.1\r\nOrigin: http://page.example\r\n\r\n").await.unwrap();
    let mut seen = String::new();
    while !seen.contains(": ping\n\n") {
        let mut buffer = [0; 1024];
        let count = stream.read(&mut buffer).await.unwrap();
        seen.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
    }
    assert!(seen.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"), "{seen}");
    assert!(seen.contains("Access-Control-Allow-Origin: http://page.example\r\n"), "{seen}");
    assert!(seen.contains("\r\n\r\nid: 1\ndata: hello /events\n\n"), "{seen}");
}

#[tokio::test]
async fn a_page_of_another_origin_is_refused_before_the_upgrade() {
    let mut options = options();
    options.origins = Origins::parse("*.example.org");
    let world = World::start(options).await;
    assert_eq!(world.refusal("/room", &[("Origin", "https://evil.test")]).await, 403);
    world.connect_with("/room", &[("Origin", "https://www.example.org")]).await.unwrap();
    world.connect_with("/room", &[]).await.unwrap();
}

#[tokio::test]
async fn a_handshake_that_never_ends_is_answered_408() {
    let mut options = options();
    options.handshake_timeout = Duration::from_millis(300);
    let world = World::start(options).await;
    let begin = Instant::now();
    let answer = world.exchange("GET /room HTTP/1.1\r\nHost: never ends").await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(begin.elapsed() >= Duration::from_millis(300));
    assert_eq!(world.metric("requests_refused_total{reason=\"handshake-timeout\"}"), 1);
}

#[tokio::test]
async fn what_breaks_the_protocol_is_closed_with_its_code() {
    let mut options = options();
    options.max_message_size = 1000;
    let world = World::start(options).await;
    for (bytes, code) in [
        (&b"\x81\x01x\0\0\0\0"[..], 1002),
        (b"\x83\x80\0\0\0\0", 1002),
        (b"\x81\x82\0\0\0\0\xc0\x80", 1007),
        (b"\x82\xff\0\0\0\0\x10\0\0\0\0\0\0\0", 1009),
    ] {
        let mut client = world.connect("/room").await;
        text(&mut client).await;
        client.get_mut().write_all(bytes).await.unwrap();
        assert_eq!(close_code(&mut client).await, code, "{bytes:?}");
    }
    let mut client = world.connect("/room").await;
    text(&mut client).await;
    client.send(Message::Text("x".repeat(1000).into())).await.unwrap();
    client.send(Message::Ping("are you there".into())).await.unwrap();
    assert_eq!(client.next().await.unwrap().unwrap(), Message::Pong("are you there".into()));
}

#[tokio::test]
async fn heartbeats_come_at_the_interval_and_silence_is_closed_with_1008() {
    let mut options = options();
    options.ping_interval = Duration::from_millis(200);
    // Long beside the interval: on a busy machine an answer takes its time.
    options.pong_timeout = Duration::from_secs(3);
    let world = World::start(options).await;
    let begin = Instant::now();
    let (mut answering, mut silent) = (world.connect("/a").await, world.connect("/b").await);
    text(&mut answering).await;
    for beat in 1..=8 {
        assert_eq!(text(&mut answering).await, r#"{"type":"ping"}"#);
        assert!(begin.elapsed() >= Duration::from_millis(200) * beat);
        answering.send(Message::text(r#"{"type":"pong"}"#)).await.unwrap();
    }
    assert_eq!(close_code(&mut silent).await, 1008);
    assert_eq!(world.metric("connections_closed_total{cause=\"silent\"}"), 1);
    world.publish("still here").await;
    while text(&mut answering).await != "still here" {}
}

#[tokio::test]
async fn who_stops_reading_is_closed_with_1013_and_nobody_else_waits() {
    let mut options = options();
    options.overflow = Overflow::Close { max_bytes: 256 * 1024 };
    options.write_timeout = Duration::from_secs(30);
    let world = World::start(options).await;
    let (mut reader, mut stalled) = (world.connect("/a").await, world.connect("/b").await);
    text(&mut reader).await;
    let line = "x".repeat(10_000);
    let mut slowest = Duration::ZERO;
    while world.metric("connections_closed_total{cause=\"slow\"}") == 0 {
        let begin = Instant::now();
        world.publish(&line).await;
        assert_eq!(text(&mut reader).await, line);
        slowest = slowest.max(begin.elapsed());
    }
    // On a busy machine this says only that nobody waits for the other's timeout.
    assert!(slowest < Duration::from_secs(10), "{slowest:?}");
    assert_eq!(close_code(&mut stalled).await, 1013, "it learns why when it reads again");
}

#[tokio::test]
async fn a_state_that_waits_is_replaced_by_a_newer_one() {
    let mut options = options();
    options.overflow = Overflow::KeepLatest;
    options.write_timeout = Duration::from_secs(30);
    let world = World::start(options).await;
    let mut client = world.connect("/a").await;
    text(&mut client).await;
    for number in 0..2_000 {
        world.publish(&format!("{number} {}", "x".repeat(10_000))).await;
    }
    let (mut count, mut last) = (0, String::new());
    while !last.starts_with("1999 ") {
        last = text(&mut client).await;
        count += 1;
    }
    assert!(count < 2_000, "{count} of 2000 states were sent to a client that did not read");
}

#[tokio::test]
async fn an_address_over_its_limit_is_refused_and_the_others_are_served() {
    let mut options = options();
    options.max_connections_per_address = 50;
    let world = World::start(options).await;
    let mut clients = Vec::new();
    for _ in 0..50 {
        clients.push(world.connect("/room").await);
    }
    let mut held = Vec::new();
    for _ in 0..500 {
        held.push(world.tcp().await);
    }
    for stream in &mut held {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 429 "), "{answer}");
    }
    let from_elsewhere = tokio::net::TcpSocket::new_v4().unwrap();
    from_elsewhere.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let stream = from_elsewhere.connect(world.address()).await.unwrap();
    let answer = world::exchange_on(stream, "GET /health HTTP/1.1\r\n\r\n").await;
    assert!(answer.ends_with("OK"), "{answer}");
    drop((clients, held));
    world.until_empty().await;
    world.connect("/room").await;
}

#[tokio::test]
async fn when_full_a_client_is_refused_with_503_and_probes_are_answered() {
    let mut options = options();
    options.max_connections = 2;
    let world = World::start(options).await;
    let _clients = (world.connect("/a").await, world.connect("/b").await);
    assert_eq!(world.refusal("/c", &[]).await, 503);
    assert!(world.exchange("GET /health HTTP/1.1\r\n\r\n").await.ends_with("OK"));
}

#[tokio::test]
async fn a_drain_closes_everybody_with_1012_over_its_time() {
    let mut options = options();
    options.farewell = Some(r#"{"type":"hangup"}"#);
    let mut world = World::start(options).await;
    let mut clients = Vec::new();
    for _ in 0..50 {
        clients.push(world.connect("/room").await);
    }
    let begin = Instant::now();
    world.stop();
    let closed = clients.into_iter().map(|mut client| async move {
        assert_eq!(text(&mut client).await, "hello /room");
        assert_eq!(text(&mut client).await, r#"{"type":"hangup"}"#);
        assert_eq!(close_code(&mut client).await, 1012);
        begin.elapsed()
    });
    let plain = async {
        world.until_draining().await;
        assert_eq!(world.refusal("/room", &[]).await, 503);
        assert!(world.exchange("GET /health HTTP/1.1\r\n\r\n").await.ends_with("OK"));
    };
    let (mut times, ()) = futures_util::join!(futures_util::future::join_all(closed), plain);
    world.stopped().await;
    let end = begin.elapsed();
    times.sort();
    // A busy machine may be late with the first or the last.
    assert!(times[49] - times[0] > world::DRAIN / 4, "spread over {:?}", times[49] - times[0]);
    assert!(end < world::DRAIN + Duration::from_secs(5), "{end:?}");
}

#[tokio::test]
async fn a_client_that_vanishes_is_signed_off() {
    let world = World::start(options()).await;
    let mut stream = world.tcp().await;
    stream.write_all(world::UPGRADE.as_bytes()).await.unwrap();
    world.until_count(1).await;
    let stream: TcpStream = stream;
    socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    drop(stream);
    world.until_empty().await;
}
