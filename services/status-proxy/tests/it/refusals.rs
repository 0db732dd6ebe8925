//! What is refused, and how.

use std::time::{SystemTime, UNIX_EPOCH};

use test_support::{TestRedis, eventually};

use crate::world::{Producer, Viewer, service, size};

#[tokio::test]
async fn a_path_that_names_no_channel_is_400_before_the_upgrade() {
    let redis = TestRedis::start().await;
    let service = service(&redis, &[]).await;
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
        "run:a/",
        "run:%",
        "run:%ff",
        "health",
    ] {
        assert_eq!(Viewer::refusal(service.port(), path, &[]).await, 400, "{path}");
    }
    assert_eq!(Viewer::refusal(service.port(), "run:a?history=many", &[]).await, 400);
    assert_eq!(service.get("/nothing/sse").await.0, 400);
    assert_eq!(service.get("/run:a").await.0, 426);
}

#[tokio::test]
async fn an_origin_that_is_not_listed_is_403() {
    let redis = TestRedis::start().await;
    let service = service(&redis, &[("STATUS_ALLOWED_ORIGINS", "*.example.org,localhost:3000")]).await;
    let port = service.port();
    for origin in ["https://evil.test", "http://localhost:3001", "null"] {
        assert_eq!(Viewer::refusal(port, "r:a", &[("Origin", origin)]).await, 403, "{origin}");
    }
    let own = format!("http://127.0.0.1:{port}");
    for origin in ["https://WWW.example.org", "http://localhost:3000", own.as_str()] {
        Viewer::with(port, "r:a", &[("Origin", origin)]).await.unwrap();
    }
    Viewer::at(port, "r:a").await.unwrap();
}

#[tokio::test]
async fn a_token_is_asked_for_where_a_key_is_set() {
    let redis = TestRedis::start().await;
    let secret = "a secret of sixteen bytes or more";
    let service = service(&redis, &[("STATUS_TOKEN_KEY", secret)]).await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let sign = |claims: serde_json::Value| {
        let key = jsonwebtoken::EncodingKey::from_secret(secret.as_bytes());
        jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap()
    };
    let good = sign(serde_json::json!({"runs": ["run-*"], "exp": now + 60}));
    let expired = sign(serde_json::json!({"runs": "*", "exp": now - 5}));
    let port = service.port();
    assert_eq!(Viewer::refusal(port, "run-1:a", &[]).await, 401);
    assert_eq!(Viewer::refusal(port, "run-1:a?token=nonsense", &[]).await, 401);
    assert_eq!(Viewer::refusal(port, &format!("run-1:a?token={expired}"), &[]).await, 401);
    assert_eq!(Viewer::refusal(port, &format!("other:a?token={good}"), &[]).await, 403);
    assert_eq!(service.get("/run-1:a/sse").await.0, 401);
    Viewer::at(port, &format!("run-1:a?token={good}")).await.unwrap();
    let bearer = format!("Bearer {good}");
    Viewer::with(port, "run-1:a", &[("Authorization", &bearer)]).await.unwrap();
    assert_eq!(service.get("/health").await.0, 200);
}

#[tokio::test]
async fn thousands_of_connections_of_one_address_are_refused_and_the_service_is_unharmed() {
    let redis = TestRedis::start().await;
    let service =
        service(&redis, &[("STATUS_MAX_CONNECTIONS_PER_ADDRESS", "10"), ("STATUS_HANDSHAKE_TIMEOUT", "2m")])
            .await;
    let mut viewer = Viewer::of(&service, "r:a").await;
    let flood = size("FLOOD", 2000);
    let mut held = Vec::new();
    for _ in 0..flood {
        // From another address of this machine: the tests' own keeps its share.
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
        held.push(socket.connect(([127, 0, 0, 1], service.port()).into()).await.unwrap());
        // The ten that are let in stay; of the others no more than a test has descriptors for.
        if held.len() > 500 {
            held.remove(10);
        }
    }
    eventually("all but ten are refused", async || {
        let refused = service.metric("status_proxy_requests_refused_total{reason=\"address\"}").await;
        refused as usize == flood - 10
    })
    .await;
    Producer::of(&redis).await.publish("r:a", "x").await;
    assert_eq!(viewer.line().await, "x");
}
