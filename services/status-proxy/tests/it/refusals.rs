//! Requests that are refused.

use std::time::{SystemTime, UNIX_EPOCH};

use test_support::{TestRedis, eventually, size_from_env};

use crate::support::{Producer, Viewer, World, start_service};

#[tokio::test]
async fn a_path_that_names_no_channel_is_400_before_the_upgrade() {
    let redis = World::start().await;
    let service = start_service(&redis, &[]).await;
    for path in [
        "",
        "run",
        "run:",
        ":a",
        "run:a:b",
        "run:a,",
        "run:a%20b",
        "run%2Fx",
        "r%C3%A4n:a",
        "run:%",
        "run:%ff",
        "health",
    ] {
        assert_eq!(Viewer::refused_status(service.port(), path, &[]).await, 400, "{path}");
    }
    assert_eq!(Viewer::refused_status(service.port(), "run:a?history=many", &[]).await, 400);
    assert_eq!(service.get("/nothing/sse").await.0, 400);
    assert_eq!(service.get("/run:a").await.0, 426);
    // A slash behind the path changes nothing.
    assert_eq!(service.get("/run:a/").await.0, 426);
}

#[tokio::test]
async fn an_origin_that_is_not_listed_is_403() {
    let redis = World::start().await;
    let service = start_service(&redis, &[("STATUS_ALLOWED_ORIGINS", "*.example.org,localhost:3000")]).await;
    let port = service.port();
    for origin in ["https://evil.test", "http://localhost:3001", "null"] {
        assert_eq!(Viewer::refused_status(port, "r:a", &[("Origin", origin)]).await, 403, "{origin}");
    }
    let own = format!("http://127.0.0.1:{port}");
    for origin in ["https://WWW.example.org", "http://localhost:3000", own.as_str()] {
        Viewer::connect_with_headers(port, "r:a", &[("Origin", origin)]).await.unwrap();
    }
    Viewer::connect_to(port, "r:a").await.unwrap();
}

#[tokio::test]
async fn a_token_is_required_if_a_key_is_set() {
    let redis = World::start().await;
    let secret = "a secret of sixteen bytes or more";
    let service = start_service(&redis, &[("STATUS_TOKEN_KEY", &format!("secret:{secret}"))]).await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let sign = |claims: serde_json::Value| {
        let key = jsonwebtoken::EncodingKey::from_secret(secret.as_bytes());
        jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap()
    };
    let good = sign(serde_json::json!({"runs": ["run-*"], "exp": now + 60}));
    let expired = sign(serde_json::json!({"runs": "*", "exp": now - 65}));
    let port = service.port();
    assert_eq!(Viewer::refused_status(port, "run-1:a", &[]).await, 401);
    assert_eq!(Viewer::refused_status(port, "run-1:a?token=nonsense", &[]).await, 401);
    assert_eq!(Viewer::refused_status(port, &format!("run-1:a?token={expired}"), &[]).await, 401);
    assert_eq!(Viewer::refused_status(port, &format!("other:a?token={good}"), &[]).await, 403);
    assert_eq!(service.get("/run-1:a/sse").await.0, 401);
    Viewer::connect_to(port, &format!("run-1:a?token={good}")).await.unwrap();
    let bearer = format!("Bearer {good}");
    Viewer::connect_with_headers(port, "run-1:a", &[("Authorization", &bearer)]).await.unwrap();
    assert_eq!(service.get("/health").await.0, 200);
}

#[tokio::test]
async fn thousands_of_connections_of_one_address_are_refused_and_others_are_served() {
    let redis = TestRedis::start().await;
    let service = start_service(
        &redis,
        &[("STATUS_MAX_CONNECTIONS_PER_ADDRESS", "10"), ("STATUS_HANDSHAKE_TIMEOUT", "2m")],
    )
    .await;
    let mut viewer = Viewer::connect(&service, "r:a").await;
    let flood = size_from_env("FLOOD", 2000);
    let mut sockets = Vec::new();
    for _ in 0..flood {
        // From another address of this machine, so that the limit does not apply to the viewer.
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
        sockets.push(socket.connect(([127, 0, 0, 1], service.port()).into()).await.unwrap());
        // The ten accepted ones stay open. Of the others only as many as the test has descriptors for.
        if sockets.len() > 500 {
            sockets.remove(10);
        }
    }
    eventually("all but ten are refused", async || {
        let refused = service.metric("status_proxy_requests_refused_total{reason=\"address\"}").await;
        refused as usize == flood - 10
    })
    .await;
    Producer::connect(&redis).await.publish("r:a", "x").await;
    assert_eq!(viewer.next_line().await, "x");
}
