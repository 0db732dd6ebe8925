//! Which connections are refused, which are closed, and how a drain ends.

use std::time::Duration;

use fred::interfaces::HashesInterface;
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::json;
use tokio::net::TcpSocket;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::support::{TestEnv, Viewer, test_percent};

/// The HTTP status of a WebSocket handshake.
async fn status(env: &TestEnv, path: &str, headers: &[(&'static str, &str)]) -> u16 {
    match Viewer::connect_with(&env.service, path, headers).await {
        Ok(_) => 101,
        Err(Error::Http(response)) => response.status().as_u16(),
        Err(other) => panic!("{path}: {other}"),
    }
}

#[tokio::test]
async fn only_pages_of_allowed_origins_may_connect() {
    let env = TestEnv::start(&[("PREFLIGHT_ALLOWED_ORIGINS", "*.example.org")]).await;
    assert_eq!(status(&env, "/run", &[("Origin", "https://Www.Example.org")]).await, 101);
    assert_eq!(status(&env, "/run", &[("Origin", "https://example.com")]).await, 403);
    assert_eq!(status(&env, "/run", &[]).await, 101);
}

#[tokio::test]
async fn with_a_token_key_a_viewer_needs_a_token_for_its_run() {
    const KEY: &str = "a secret of sixteen bytes or more";
    let env = TestEnv::start(&[("PREFLIGHT_TOKEN_KEY", &format!("secret:{KEY}"))]).await;
    let token = |runs: &str| {
        encode(&Header::default(), &json!({"runs": runs}), &EncodingKey::from_secret(KEY.as_bytes())).unwrap()
    };
    assert_eq!(status(&env, "/run-1", &[]).await, 401);
    assert_eq!(status(&env, "/run-1?token=garbage", &[]).await, 401);
    assert_eq!(status(&env, &format!("/run-1?token={}", token("run-*")), &[]).await, 101);
    assert_eq!(status(&env, &format!("/x?token={}", token("run-*")), &[]).await, 403);
    let bearer = format!("Bearer {}", token("x"));
    assert_eq!(status(&env, "/x", &[("Authorization", &bearer)]).await, 101);
    assert_eq!(env.service.get("/health").await.0, 200);
    assert_eq!(env.service.get("/").await.0, 200, "the page asks for the token");

    // Each run that is added to an open socket needs one too: that of the socket, or its own.
    let mut viewer = env.watch(&format!("run-1?token={}", token("run-*"))).await;
    viewer.next_text().await;
    let (good, bad) = (token("x"), token("y"));
    for (run, token, answer) in [
        ("run-2", None, json!({"type": "subscribed", "run": "run-2"})),
        (
            "x",
            None,
            json!({"type": "refused", "run": "x", "code": 4403, "reason": "the token is for other runs"}),
        ),
        (
            "x",
            Some(&bad),
            json!({"type": "refused", "run": "x", "code": 4403, "reason": "the token is for other runs"}),
        ),
        (
            "x",
            Some(&"garbage".to_owned()),
            json!({"type": "refused", "run": "x", "code": 4401, "reason": "the token cannot be parsed"}),
        ),
        ("x", Some(&good), json!({"type": "subscribed", "run": "x"})),
    ] {
        viewer.send(&json!({"type": "subscribe", "run": run, "token": token}).to_string()).await;
        let message = loop {
            let message = viewer.next_checklist().await;
            if message["type"] != "preflight" {
                break message;
            }
        };
        assert_eq!(message, answer);
    }
}

#[tokio::test]
async fn a_sighup_reads_the_token_key_again() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("key");
    let path = file.to_str().unwrap();
    let keys = ["the first secret of many bytes", "the second secret of many bytes"];
    let tokens = keys.map(|key| {
        encode(&Header::default(), &json!({"runs": "*"}), &EncodingKey::from_secret(key.as_bytes())).unwrap()
    });
    let prefixed = format!("secret:file:{path}");
    for (setting, kind) in
        [(("PREFLIGHT_TOKEN_KEY", prefixed.as_str()), ""), (("PREFLIGHT_TOKEN_KEY_FILE", path), "secret:")]
    {
        let keys = keys.map(|key| format!("{kind}{key}\n"));
        std::fs::write(&file, &keys[0]).unwrap();
        let env = TestEnv::start(&[setting]).await;
        let allowed = async |token: &str| status(&env, &format!("/run?token={token}"), &[]).await == 101;
        assert!(allowed(&tokens[0]).await && !allowed(&tokens[1]).await);
        std::fs::write(&file, &keys[1]).unwrap();
        env.service.signal("HUP").await;
        test_support::eventually("the new key is used", async || allowed(&tokens[1]).await).await;
        assert!(!allowed(&tokens[0]).await);
        std::fs::remove_file(&file).unwrap();
        env.service.signal("HUP").await;
        let kept = "the token key cannot be read again, so nothing changes";
        test_support::eventually("the failure is logged", async || env.service.log().contains(kept)).await;
        assert!(allowed(&tokens[1]).await);
    }
}

#[tokio::test]
async fn a_key_file_is_followed_and_a_client_lives_as_long_as_its_token() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("key");
    let sign = |key: &str, runs: &str, seconds: u64| {
        let exp = jsonwebtoken::get_current_timestamp() + seconds;
        let key = EncodingKey::from_secret(key.as_bytes());
        encode(&Header::default(), &json!({"runs": runs, "exp": exp}), &key).unwrap()
    };
    let keys = ["the first secret of many bytes", "the second secret of many bytes"];
    std::fs::write(&file, keys[0]).unwrap();
    let setting = format!("secret:file:{}", file.display());
    let vars = [
        ("PREFLIGHT_TOKEN_KEY", setting.as_str()),
        ("PREFLIGHT_TOKEN_LEEWAY", "0s"),
        ("PREFLIGHT_REFUSE_AFTER_UPGRADE", "true"),
    ];
    let env = TestEnv::start(&vars).await;
    let close_code = async |token: &str| env.watch(&format!("run?token={token}")).await.close_code().await;
    assert_eq!(close_code("garbage").await, 4401);
    assert_eq!(close_code(&sign(keys[0], "other", 60)).await, 4403);
    let watch = async |seconds| env.watch(&format!("run?token={}", sign(keys[0], "run", seconds))).await;
    let (mut expiring, mut renewed, mut refused) = (watch(4).await, watch(4).await, watch(60).await);
    let renewal = |runs: &str| json!({"type": "token", "token": sign(keys[0], runs, 60)}).to_string();
    renewed.send(&renewal("ru*")).await;
    refused.send(&renewal("other")).await;
    assert_eq!(refused.close_code().await, 4403, "the token is not for the run that it watches");
    assert_eq!(expiring.close_code().await, 4401);
    env.set("run", "timestamps:a", 7).await;
    renewed.read_until_modified(7).await;

    std::fs::write(&file, keys[1]).unwrap();
    let new = format!("run?token={}", sign(keys[1], "run", 60));
    test_support::eventually("the new key is used", async || {
        env.watch(&new).await.next_checklist_or_end().await.is_some()
    })
    .await;
    assert_eq!(close_code(&sign(keys[0], "run", 60)).await, 4401);
}

#[tokio::test]
async fn a_viewer_that_sends_too_long_a_message_is_closed() {
    let env = TestEnv::start(&[("PREFLIGHT_MAX_MESSAGE_SIZE", "1KB")]).await;
    let mut viewer = env.watch("run").await;
    viewer.send(&"x".repeat(2000)).await;
    assert_eq!(viewer.close_code().await, 1009);
}

#[tokio::test]
async fn a_viewer_that_does_not_read_is_closed_and_delays_no_other() {
    let env = TestEnv::start(&[("PREFLIGHT_WRITE_TIMEOUT", "1s")]).await;
    // A checklist of 100 KB fills the kernel's buffers after some changes.
    let locks: Vec<(String, String)> =
        (0..3000).map(|n| (format!("locked:{n:030}"), "true".to_owned())).collect();
    env.producer("run").hset::<(), _, _>("run", locks).await.unwrap();
    let (mut reader, mut stalled) = (env.watch("run").await, env.watch("run").await);
    for second in 1..=100 {
        env.set("run", "timestamps:a", second).await;
        reader.read_until_modified(second).await;
    }
    test_support::eventually("the stalled viewer is closed", async || {
        env.service.metric("preflight_connections_closed_total{cause=\"slow\"}").await == 1.0
    })
    .await;
    // The messages that it was sent before are complete, and the close comes after them.
    assert_eq!(stalled.close_code().await, 1013);
    env.watch("run").await.read_until_modified(100).await;
}

#[tokio::test]
async fn on_sigterm_sockets_are_served_for_the_drain_delay_and_then_closed_with_1012() {
    let mut env = TestEnv::start(&[("DRAIN_DELAY", "1s")]).await;
    let mut viewers = futures_util::future::join_all((0..20).map(|_| env.watch("run"))).await;
    for viewer in &mut viewers {
        viewer.next_text().await;
    }
    env.service.signal("TERM").await;
    test_support::eventually("the service drains", async || env.service.get("/ready").await.0 == 404).await;
    env.set("run", "timestamps:a", 1).await;
    env.watch("run").await.read_until_modified(1).await;
    for viewer in &mut viewers {
        assert_eq!(viewer.next_checklist().await["last_modified"], 1);
    }
    test_support::eventually("the first socket is closed", async || {
        env.service.metric("preflight_connections_closed_total{cause=\"restart\"}").await > 0.0
    })
    .await;
    // Viewers that are still connected are still sent changes.
    env.set("run", "timestamps:a", 2).await;
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
    assert_eq!(env.service.wait_for_exit().await, 0);
}

#[tokio::test]
async fn a_hangup_is_sent_before_the_close_only_if_the_setting_is_on() {
    let mut env = TestEnv::start(&[("PREFLIGHT_HANGUP_ON_DRAIN", "true")]).await;
    let mut viewer = env.watch("run").await;
    viewer.next_text().await;
    env.service.signal("TERM").await;
    assert_eq!(viewer.next_text().await, r#"{"type":"hangup"}"#);
    assert_eq!(viewer.close_code().await, 1012);
    drop(viewer);
    assert_eq!(env.service.wait_for_exit().await, 0);
}

#[tokio::test]
async fn a_flood_of_connections_from_one_address_is_refused_and_other_viewers_are_served() {
    let vars = [("PREFLIGHT_MAX_CONNECTIONS_PER_ADDRESS", "10"), ("PREFLIGHT_HANDSHAKE_TIMEOUT", "2m")];
    let env = TestEnv::start(&vars).await;
    let mut viewer = env.watch("run").await;
    let flood = 100 * test_percent();
    let mut open_sockets = Vec::new();
    for _ in 0..flood {
        // From another address of this machine, so that the viewer's address does not reach its limit.
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
        open_sockets.push(socket.connect(([127, 0, 0, 1], env.service.port()).into()).await.unwrap());
        // Keep the ten that are let in. Close old ones of the others, or the test runs out of descriptors.
        if open_sockets.len() > 500 {
            open_sockets.remove(10);
        }
    }
    test_support::eventually("all but ten are refused", async || {
        let refused = env.service.metric("preflight_requests_refused_total{reason=\"address\"}").await;
        refused as usize == flood - 10
    })
    .await;
    env.set("run", "timestamps:a", 1).await;
    viewer.read_until_modified(1).await;
}

#[tokio::test]
async fn connections_beyond_the_limits_are_refused_and_the_others_are_served() {
    let vars = [("PREFLIGHT_MAX_CONNECTIONS", "8"), ("PREFLIGHT_MAX_CONNECTIONS_PER_ADDRESS", "5")];
    let env = TestEnv::start(&vars).await;
    let mut viewers = Vec::new();
    for _ in 0..5 {
        viewers.push(env.watch("run").await);
    }
    for _ in 0..50 {
        assert_eq!(status(&env, "/run", &[]).await, 429);
    }
    env.set("run", "timestamps:a", 1).await;
    for viewer in &mut viewers {
        viewer.read_until_modified(1).await;
    }
    drop(viewers);
    tokio::time::timeout(Duration::from_secs(20), async { while status(&env, "/run", &[]).await != 101 {} })
        .await
        .expect("a connection is accepted again");
}
