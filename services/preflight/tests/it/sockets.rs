//! What is refused, who is closed, and how it ends.

use std::time::Duration;

use fred::interfaces::HashesInterface;
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::json;
use tokio::net::TcpSocket;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::world::{Viewer, World, percent};

async fn status(world: &World, path: &str, headers: &[(&'static str, &str)]) -> u16 {
    match Viewer::connect_with(&world.service, path, headers).await {
        Ok(_) => 101,
        Err(Error::Http(response)) => response.status().as_u16(),
        Err(other) => panic!("{path}: {other}"),
    }
}

#[tokio::test]
async fn only_allowed_pages_may_connect() {
    let world = World::start(&[("PREFLIGHT_ALLOWED_ORIGINS", "*.example.org")]).await;
    assert_eq!(status(&world, "/run", &[("Origin", "https://Www.Example.org")]).await, 101);
    assert_eq!(status(&world, "/run", &[("Origin", "https://example.com")]).await, 403);
    assert_eq!(status(&world, "/run", &[]).await, 101);
}

#[tokio::test]
async fn with_a_key_only_a_token_for_the_run_lets_a_viewer_in() {
    const KEY: &str = "a secret of sixteen bytes or more";
    let world = World::start(&[("PREFLIGHT_TOKEN_KEY", KEY)]).await;
    let token = |runs: &str| {
        encode(&Header::default(), &json!({"runs": runs}), &EncodingKey::from_secret(KEY.as_bytes())).unwrap()
    };
    assert_eq!(status(&world, "/run-1", &[]).await, 401);
    assert_eq!(status(&world, "/run-1?token=garbage", &[]).await, 401);
    assert_eq!(status(&world, &format!("/run-1?token={}", token("run-*")), &[]).await, 101);
    assert_eq!(status(&world, &format!("/x?token={}", token("run-*")), &[]).await, 403);
    let bearer = format!("Bearer {}", token("x"));
    assert_eq!(status(&world, "/x", &[("Authorization", &bearer)]).await, 101);
    assert_eq!(world.service.get("/health").await.0, 200);
    assert_eq!(world.service.get("/").await.0, 200, "the page asks for the token");
}

#[tokio::test]
async fn a_message_that_is_too_long_closes_its_sender() {
    let world = World::start(&[("PREFLIGHT_MAX_MESSAGE_SIZE", "1KB")]).await;
    let mut viewer = world.watch("run").await;
    viewer.say(&"x".repeat(2000)).await;
    assert_eq!(viewer.close_code().await, 1009);
}

#[tokio::test]
async fn a_viewer_that_does_not_read_is_closed_and_delays_nobody() {
    let world = World::start(&[("PREFLIGHT_WRITE_TIMEOUT", "1s")]).await;
    // An answer of 100 KB fills the kernel's buffers after some changes.
    let locks: Vec<(String, String)> =
        (0..3000).map(|n| (format!("locked:{n:030}"), "true".to_owned())).collect();
    world.producer.hset::<(), _, _>("run", locks).await.unwrap();
    let (mut reads, mut sleeps) = (world.watch("run").await, world.watch("run").await);
    for second in 1..=100 {
        world.set("run", "timestamps:a", second).await;
        reads.until_last_modified(second).await;
    }
    test_support::eventually("the one that sleeps is closed", async || {
        world.service.metric("preflight_connections_closed_total{cause=\"slow\"}").await == 1.0
    })
    .await;
    // What it was sent before is whole, then comes the reason.
    assert_eq!(sleeps.close_code().await, 1013);
    world.watch("run").await.until_last_modified(100).await;
}

#[tokio::test]
async fn on_sigterm_sockets_are_served_for_the_delay_then_closed_with_1012() {
    let mut world = World::start(&[("DRAIN_DELAY", "1s")]).await;
    let mut viewers = futures_util::future::join_all((0..20).map(|_| world.watch("run"))).await;
    for viewer in &mut viewers {
        viewer.text().await;
    }
    world.service.signal("TERM").await;
    test_support::eventually("it drains", async || world.service.get("/ready").await.0 == 404).await;
    world.set("run", "timestamps:a", 1).await;
    world.watch("run").await.until_last_modified(1).await;
    for viewer in &mut viewers {
        assert_eq!(viewer.answer().await["last_modified"], 1);
    }
    test_support::eventually("the first is closed", async || {
        world.service.metric("preflight_connections_closed_total{cause=\"restart\"}").await > 0.0
    })
    .await;
    // Who is still there is still served.
    world.set("run", "timestamps:a", 2).await;
    let mut served = 0;
    for viewer in &mut viewers {
        let mut texts = Vec::new();
        let code = loop {
            match viewer.next().await {
                Message::Text(text) => texts.push(text.to_string()),
                Message::Close(frame) => break frame.map_or(1005, |frame| frame.code.into()),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(code, 1012);
        assert!(texts.iter().all(|text| text.contains(r#""last_modified":2"#)), "no hangup: {texts:?}");
        served += texts.len();
    }
    assert!(served > 5, "{served} of the 20");
    assert_eq!(world.service.wait_for_exit().await, 0);
}

#[tokio::test]
async fn a_hangup_precedes_the_close_only_where_it_is_asked_for() {
    let mut world = World::start(&[("PREFLIGHT_HANGUP_ON_DRAIN", "true")]).await;
    let mut viewer = world.watch("run").await;
    viewer.text().await;
    world.service.signal("TERM").await;
    assert_eq!(viewer.text().await, r#"{"type":"hangup"}"#);
    assert_eq!(viewer.close_code().await, 1012);
    drop(viewer);
    assert_eq!(world.service.wait_for_exit().await, 0);
}

#[tokio::test]
async fn thousands_of_connections_of_one_address_are_refused_and_the_service_is_unharmed() {
    let vars = [("PREFLIGHT_MAX_CONNECTIONS_PER_ADDRESS", "10"), ("PREFLIGHT_HANDSHAKE_TIMEOUT", "2m")];
    let world = World::start(&vars).await;
    let mut viewer = world.watch("run").await;
    let flood = 100 * percent();
    let mut held = Vec::new();
    for _ in 0..flood {
        // From another address of this machine: the tests' own keeps its share.
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
        held.push(socket.connect(([127, 0, 0, 1], world.service.port()).into()).await.unwrap());
        // The ten that are let in stay; of the others no more than a test has descriptors for.
        if held.len() > 500 {
            held.remove(10);
        }
    }
    test_support::eventually("all but ten are refused", async || {
        let refused = world.service.metric("preflight_requests_refused_total{reason=\"address\"}").await;
        refused as usize == flood - 10
    })
    .await;
    world.set("run", "timestamps:a", 1).await;
    viewer.until_last_modified(1).await;
}

#[tokio::test]
async fn connections_beyond_the_limits_are_refused_and_the_others_unharmed() {
    let vars = [("PREFLIGHT_MAX_CONNECTIONS", "8"), ("PREFLIGHT_MAX_CONNECTIONS_PER_ADDRESS", "5")];
    let world = World::start(&vars).await;
    let mut viewers = Vec::new();
    for _ in 0..5 {
        viewers.push(world.watch("run").await);
    }
    for _ in 0..50 {
        assert_eq!(status(&world, "/run", &[]).await, 429);
    }
    world.set("run", "timestamps:a", 1).await;
    for viewer in &mut viewers {
        viewer.until_last_modified(1).await;
    }
    drop(viewers);
    tokio::time::timeout(Duration::from_secs(20), async {
        while status(&world, "/run", &[]).await != 101 {}
    })
    .await
    .expect("there is room again");
}
