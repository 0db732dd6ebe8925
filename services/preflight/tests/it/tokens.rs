//! Tokens: where they may be, how long they last, and where their keys come from.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::future::join_all;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp};
use serde_json::{Value, json};
use test_support::{TestRedis, eventually};
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::key_server::KeyServer;
use crate::support::{BINARY, NOTIFICATIONS, TestEnv, Viewer, start};

const SECRET: &str = "a secret of sixteen bytes or more";
const KEY: (&str, &str) = ("PREFLIGHT_TOKEN_KEY", "secret:a secret of sixteen bytes or more");
const NO_LEEWAY: (&str, &str) = ("PREFLIGHT_TOKEN_LEEWAY", "0s");

pub(crate) fn token(runs: &str, seconds: u64) -> String {
    let claims = json!({"runs": runs, "exp": get_current_timestamp() + seconds});
    encode(&Header::default(), &claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap()
}

fn first_message(runs: &str, seconds: u64) -> String {
    json!({"type": "token", "token": token(runs, seconds)}).to_string()
}

async fn status(env: &TestEnv, path: &str, headers: &[(&'static str, &str)]) -> u16 {
    match Viewer::connect_with(&env.service, path, headers).await {
        Ok(_) => 101,
        Err(Error::Http(response)) => response.status().as_u16(),
        Err(other) => panic!("{path}: {other}"),
    }
}

/// The code and the reason of the close.
async fn close(viewer: &mut Viewer) -> (u16, String) {
    loop {
        if let Message::Close(Some(frame)) = viewer.next().await {
            return (frame.code.into(), frame.reason.to_string());
        }
    }
}

#[tokio::test]
async fn a_page_can_show_its_token_wherever_browsers_can_put_it() {
    let vars = [
        KEY,
        ("PREFLIGHT_TOKEN_COOKIE", "session"),
        ("PREFLIGHT_ALLOWED_ORIGINS", "www.example.org"),
        ("PREFLIGHT_ALLOWED_HOSTS", "preflight.internal"),
    ];
    let env = TestEnv::start(&vars).await;
    let token = token("run", 60);
    let page = ("Origin", "https://www.example.org");
    let (cookie, offered) = (format!("a=b; session={token}"), format!("bearer, {token}"));
    assert_eq!(status(&env, "/run", &[page]).await, 401);
    assert_eq!(status(&env, "/run", &[page, ("Cookie", &cookie)]).await, 101);
    assert_eq!(status(&env, "/run", &[page, ("Sec-WebSocket-Protocol", &offered)]).await, 101);
    assert_eq!(status(&env, &format!("/run?token={token}"), &[page]).await, 101);
    assert_eq!(status(&env, "/other", &[page, ("Cookie", &cookie)]).await, 403);
    let foreign = [("Origin", "https://evil.test"), ("Cookie", cookie.as_str())];
    assert_eq!(status(&env, "/run", &foreign).await, 403, "a cookie comes with the requests of any page");
    let rebound =
        [("Host", "evil.test"), ("Origin", "http://evil.test"), ("Sec-WebSocket-Protocol", &*offered)];
    assert_eq!(status(&env, "/run", &rebound).await, 421);
    let own = [("Host", "preflight.internal"), page, ("Sec-WebSocket-Protocol", &offered)];
    assert_eq!(status(&env, "/run", &own).await, 101);

    // A browser asks before it sends a header of its own, and reads the refusal.
    let client = reqwest::Client::new();
    let url = format!("{}/run", env.service.base_url());
    let ask = client.request(reqwest::Method::OPTIONS, &url).header("Origin", page.1).send().await.unwrap();
    assert_eq!(ask.headers()["access-control-allow-origin"], page.1);
    assert_eq!(ask.headers()["access-control-allow-credentials"], "true");
    assert!(ask.headers()["access-control-allow-headers"].to_str().unwrap().contains("Authorization"));
    let refused = client.get(&url).header("Origin", page.1).send().await.unwrap();
    assert_eq!(
        (refused.status().as_u16(), &refused.headers()["access-control-allow-origin"]),
        (401, &ask.headers()["access-control-allow-origin"])
    );
}

#[tokio::test]
async fn the_first_message_can_be_the_token() {
    let vars = [KEY, ("PREFLIGHT_TOKEN_AFTER_UPGRADE", "true"), ("PREFLIGHT_HANDSHAKE_TIMEOUT", "3s")];
    let env = TestEnv::start(&vars).await;
    env.set("run", "timestamps:a", 1).await;
    env.set("other", "timestamps:a", 2).await;
    let late = env.watch("run").await;
    let mut viewer = env.watch("run").await;
    viewer.expect_no_message(Duration::from_millis(300)).await;
    // What follows at once waits for its turn.
    viewer.send(&first_message("*", 60)).await;
    viewer.send(r#"{"type":"subscribe","run":"other"}"#).await;
    viewer.read_until_modified(1).await;
    assert_eq!(viewer.next_text().await, r#"{"type":"subscribed","run":"other"}"#);
    assert_eq!(viewer.next_checklist().await["last_modified"], 2);
    env.set("run", "timestamps:a", 3).await;
    viewer.read_until_modified(3).await;

    for (path, message, code) in [
        ("run", first_message("x", 60), 4403),
        ("run", r#"{"type":"token","token":"garbage"}"#.to_owned(), 4401),
        ("run", r#"{"type":"subscribe","run":"run"}"#.to_owned(), 4401),
        ("no%20run", first_message("*", 60), 4400),
    ] {
        let mut refused = env.watch(path).await;
        refused.send(&message).await;
        assert_eq!(close(&mut refused).await.0, code, "{message}");
    }
    let (mut late, told) = (late, "no token has come in time".to_owned());
    assert_eq!(close(&mut late).await, (4401, told));
    // A token in the request is as ever.
    assert_eq!(status(&env, "/run?token=garbage", &[]).await, 401);
    env.watch(&format!("run?token={}", token("run", 60))).await.read_until_modified(3).await;
    // One whose client has gone away leaves nothing.
    drop(env.watch("run").await);
    drop(viewer);
    eventually("nobody is connected", async || {
        env.service.metric("preflight_connections{transport=\"websocket\"}").await == 0.0
    })
    .await;
    env.wait_until_subscribed(0).await;
}

#[tokio::test]
async fn a_run_that_was_added_with_a_token_of_its_own_ends_with_that_and_the_socket_with_its_own() {
    let env = TestEnv::start(&[KEY, NO_LEEWAY]).await;
    let mut viewer = env.watch(&format!("run?token={}", token("run", 5))).await;
    let subscribe = |run: &str, seconds| {
        json!({"type": "subscribe", "run": run, "token": token(run, seconds)}).to_string()
    };
    let begin = Instant::now();
    for (run, seconds) in [("short", 2), ("renewed", 2), ("renewed", 60), ("long", 60)] {
        viewer.send(&subscribe(run, seconds)).await;
    }
    let (mut refused, mut shown) = (Vec::new(), Vec::new());
    let told = async {
        loop {
            match viewer.0.next().await.unwrap().unwrap() {
                Message::Text(text) => {
                    let message: Value = serde_json::from_str(&text).unwrap();
                    assert!(refused.is_empty() || message["run"] != "short", "{message} after its end");
                    if message["type"] == "refused" {
                        println!("{message} after {:?}", begin.elapsed());
                        refused.push(message);
                        for run in ["short", "renewed", "long", "run"] {
                            env.set(run, "timestamps:a", 7).await;
                        }
                    } else if message["last_modified"] == 7 {
                        shown.push(message["run"].as_str().unwrap_or("run").to_owned());
                    }
                }
                Message::Close(Some(frame)) => return (u16::from(frame.code), frame.reason.to_string()),
                _ => {}
            }
        }
    };
    let closed = tokio::time::timeout(Duration::from_secs(20), told).await.unwrap();
    assert_eq!(closed, (4401, "the access token has expired".to_owned()));
    let reason = "the access token has expired";
    assert_eq!(refused, [json!({"type": "refused", "run": "short", "code": 4401, "reason": reason})]);
    shown.sort();
    assert_eq!(shown, ["long", "renewed", "run"]);
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
}

/// The public keys with these ids, as a JWKS.
fn jwks(ids: &[&str]) -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../crates/ws-server/src/token/test-keys/usable");
    let keys: Vec<Value> = ids
        .iter()
        .map(|id| {
            let file = if id.starts_with('e') { "p256" } else { "ed25519" };
            let text = std::fs::read_to_string(format!("{folder}/{file}.jwk.json")).unwrap();
            let mut key: Value = serde_json::from_str(&text).unwrap();
            key["kid"] = (*id).into();
            key
        })
        .collect();
    json!({ "keys": keys }).to_string()
}

fn signed(id: &str) -> String {
    let (algorithm, key) = match id.starts_with('e') {
        true => {
            let pem = include_bytes!("../../../../crates/ws-server/src/token/test-p256.pem");
            (Algorithm::ES256, EncodingKey::from_ec_pem(pem).unwrap())
        }
        false => {
            let pem = include_bytes!("../../../../crates/ws-server/src/token/test-ed25519.pem");
            (Algorithm::EdDSA, EncodingKey::from_ed_pem(pem).unwrap())
        }
    };
    let header = Header { kid: Some(id.to_owned()), ..Header::new(algorithm) };
    encode(&header, &json!({"runs": "*"}), &key).unwrap()
}

#[tokio::test]
async fn keys_are_fetched_from_a_url_and_again_for_a_key_that_is_not_known() {
    let keys = KeyServer::start(500, "", None).await;
    let redis = TestRedis::start_with(&NOTIFICATIONS).await;
    let service = start(&redis.url(), &[("PREFLIGHT_TOKEN_KEY", &keys.url("http"))]).await;
    let is_told = async |text: &str| service.get("/ready").await.1.contains(text);
    eventually("it is told", async || is_told("token keys: fetch token keys from http://localhost").await)
        .await;
    let env = TestEnv::on(redis, service).await;
    let open = async |id: &str| status(&env, &format!("/run?token={}", signed(id)), &[]).await;
    assert_eq!(open("e1").await, 503, "nobody can say whether the token is valid");

    keys.answer(200, &jwks(&["e1"]));
    env.service.wait_until_ready().await;
    assert_eq!(open("e1").await, 101);
    let mut viewer = env.watch(&format!("run?token={}", signed("e1"))).await;
    // Another key signs from now on: nobody is refused meanwhile, and an open socket is renewed with it.
    keys.answer(200, &jwks(&["e1", "d2"]));
    let renewal = json!({"type": "token", "token": signed("d2")}).to_string();
    viewer.send(&renewal).await;
    viewer.send(&json!({"type": "subscribe", "run": "other", "token": signed("d2")}).to_string()).await;
    assert_eq!(open("d2").await, 101);
    loop {
        let message = viewer.next_checklist().await;
        if message["type"] != "preflight" {
            assert_eq!(message["type"], "subscribed");
            break;
        }
    }
    // Strangers cannot have them fetched as often as they like.
    let (before, begin) = (keys.requests(), Instant::now());
    assert_eq!(
        join_all((0..50).map(|n| open(if n % 2 == 0 { "e-junk" } else { "d-junk" }))).await,
        [401; 50]
    );
    assert!(keys.requests() - before <= 1 + begin.elapsed().as_secs() as usize / 5, "{}", keys.requests());
    // While they cannot be fetched, those of before are used.
    keys.answer(200, r#"{"keys":[]}"#);
    assert_eq!(open("d-junk").await, 401);
    eventually("it is noted", async || {
        let (status, body) = env.service.get("/ready").await;
        status == 200 && body.contains("an empty JWKS, so those of before are used")
    })
    .await;
    assert_eq!(open("d2").await, 101);
    // A key that was withdrawn is not used any more once that is known, and SIGHUP makes it known.
    keys.answer(200, &jwks(&["d2"]));
    env.service.signal("HUP").await;
    eventually("the old key is refused", async || open("e1").await == 401).await;
    assert_eq!(open("d2").await, 101);
    assert_eq!(env.service.get("/ready").await.1, r#"{"ready":true}"#);
}

#[tokio::test]
async fn keys_come_over_tls_from_servers_that_are_trusted_and_never_over_plain_http_from_elsewhere() {
    let signed_by_itself = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = tokio_rustls::rustls::pki_types::PrivateKeyDer::try_from(
        signed_by_itself.signing_key.serialize_der(),
    );
    let config = tokio_rustls::rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![signed_by_itself.cert.der().clone()], key.unwrap())
        .unwrap();
    let keys = KeyServer::start(200, &jwks(&["e1"]), Some(Arc::new(config).into())).await;
    let dir = tempfile::tempdir().unwrap();
    let ca = dir.path().join("ca.pem");
    std::fs::write(&ca, signed_by_itself.cert.pem()).unwrap();
    let url = keys.url("https");
    let vars = [("PREFLIGHT_TOKEN_KEY", url.as_str()), ("SSL_CERT_FILE", ca.to_str().unwrap())];
    let env = TestEnv::start(&vars).await;
    assert_eq!(status(&env, &format!("/run?token={}", signed("e1")), &[]).await, 101);
    let distrustful = start(&env.redis.url(), &[vars[0]]).await;
    eventually("it is told", async || {
        let (status, body) = distrustful.get("/ready").await;
        status == 503 && body.contains("token keys: fetch token keys from https://localhost")
    })
    .await;

    let mut refused = test_support::ServiceProcess::spawn(
        BINARY,
        &[("PREFLIGHT_TOKEN_KEY", "http://login.example.org/jwks.json")],
    );
    assert_eq!(refused.wait_for_exit().await, 2);
    assert_eq!(
        refused.log(),
        "preflight: PREFLIGHT_TOKEN_KEY must be fetched by https: whoever can change what http delivers could sign tokens\n"
    );
}
