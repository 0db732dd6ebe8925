//! Tokens: where they may be, and how long they last.

use std::time::{Duration, Instant};

use jsonwebtoken::{EncodingKey, Header, encode, get_current_timestamp};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{Producer, Viewer, World, start_service};

const SECRET: &str = "a secret of sixteen bytes or more";
const KEY: (&str, &str) = ("STATUS_TOKEN_KEY", "secret:a secret of sixteen bytes or more");
const NO_LEEWAY: (&str, &str) = ("STATUS_TOKEN_LEEWAY", "0s");

pub(crate) fn token(runs: &str, seconds: u64) -> String {
    let claims = json!({"runs": runs, "exp": get_current_timestamp() + seconds});
    encode(&Header::default(), &claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap()
}

fn message(runs: &str, seconds: u64) -> String {
    json!({"type": "token", "token": token(runs, seconds)}).to_string()
}

#[tokio::test]
async fn a_page_can_show_its_token_as_cookie_or_subprotocol() {
    let redis = World::start().await;
    let vars = [KEY, ("STATUS_TOKEN_COOKIE", "session"), ("STATUS_ALLOWED_ORIGINS", "www.example.org")];
    let service = start_service(&redis, &vars).await;
    let token = token("run", 60);
    let page = ("Origin", "https://www.example.org");
    let (cookie, offered) = (format!("a=b; session={token}"), format!("bearer, {token}"));
    for header in [("Cookie", cookie.as_str()), ("Sec-WebSocket-Protocol", offered.as_str())] {
        Viewer::connect_with_headers(service.port(), "run:a", &[page, header]).await.unwrap();
        assert_eq!(Viewer::refused_status(service.port(), "other:a", &[page, header]).await, 403);
    }
    Viewer::connect_with_headers(service.port(), "run:*", &[page, ("Cookie", &cookie)]).await.unwrap();
    assert_eq!(Viewer::refused_status(service.port(), "other:*", &[page, ("Cookie", &cookie)]).await, 403);
    assert_eq!(Viewer::refused_status(service.port(), "run:a", &[page]).await, 401);
    let foreign = [("Origin", "https://evil.test"), ("Cookie", cookie.as_str())];
    assert_eq!(Viewer::refused_status(service.port(), "run:a", &foreign).await, 403);
}

#[tokio::test]
async fn a_socket_ends_with_its_token_unless_it_is_renewed() {
    let redis = World::start().await;
    let service = start_service(&redis, &[KEY, NO_LEEWAY]).await;
    let producer = Producer::connect(&redis).await;
    let begin = Instant::now();
    let path = format!("run:a?token={}", token("run", 3));
    let mut ends = Viewer::connect(&service, &path).await;
    let mut renewed = Viewer::connect(&service, &path).await;
    let mut wrong = Viewer::connect(&service, &path).await;
    renewed.send(&message("ru*", 60)).await;
    wrong.send(&message("other", 60)).await;
    assert_eq!(wrong.wait_for_close().await, Some(4403));
    assert_eq!(ends.wait_for_close().await, Some(4401));
    assert!((1..8).contains(&begin.elapsed().as_secs()), "{:?}", begin.elapsed());
    producer.publish("run:a", "later").await;
    assert_eq!(renewed.next_line().await, "later");
    // A run that was added by the socket's token is one for which a later token must be, too.
    renewed.send(r#"{"type":"subscribe","run":"rub","channels":["a"]}"#).await;
    assert_eq!(renewed.next_json().await["type"], "subscribed");
    renewed.send(r#"{"type":"subscribe","run":"other","channels":["a"]}"#).await;
    assert_eq!(renewed.next_json().await["code"], 4403);
    renewed.send(&message("run", 60)).await;
    assert_eq!(renewed.wait_for_close().await, Some(4403));
}

#[tokio::test]
async fn an_event_stream_ends_with_its_token() {
    let redis = World::start().await;
    let service = start_service(&redis, &[KEY, NO_LEEWAY]).await;
    let begin = Instant::now();
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", service.port())).await.unwrap();
    let request = format!("GET /run:a/sse?token={} HTTP/1.1\r\nHost: localhost\r\n\r\n", token("run", 3));
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut received = Vec::new();
    let end = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut received)).await;
    end.expect("the stream ends").unwrap();
    assert!((1..8).contains(&begin.elapsed().as_secs()), "{:?}", begin.elapsed());
    assert!(received.starts_with(b"HTTP/1.1 200"));
}

#[tokio::test]
async fn refusals_after_the_upgrade_have_codes_that_a_page_can_read() {
    let redis = World::start().await;
    let service = start_service(&redis, &[KEY, ("STATUS_REFUSE_AFTER_UPGRADE", "true")]).await;
    for (path, code) in [
        ("run:a".to_owned(), 4401),
        ("run:a?token=garbage".to_owned(), 4401),
        (format!("run:a?token={}", token("other", 60)), 4403),
    ] {
        assert_eq!(Viewer::connect(&service, &path).await.wait_for_close().await, Some(code), "{path}");
    }
    let after = start_service(&redis, &[KEY, ("STATUS_TOKEN_AFTER_UPGRADE", "true")]).await;
    let producer = Producer::connect(&redis).await;
    let mut viewer = Viewer::connect(&after, "run:a?history=0").await;
    viewer.send(&message("run", 60)).await;
    assert_eq!(viewer.next_text().await, r#"{"type":"resume","recovered":true}"#);
    producer.publish("run:a", "x").await;
    assert_eq!(viewer.next_line().await, "x");
    for (first, code) in
        [(message("other", 60), 4403), (r#"{"type":"token","token":"garbage"}"#.to_owned(), 4401)]
    {
        let mut viewer = Viewer::connect(&after, "run:a").await;
        viewer.send(&first).await;
        assert_eq!(viewer.wait_for_close().await, Some(code), "{first}");
    }
}

#[tokio::test]
async fn a_run_with_a_token_of_its_own_ends_with_that_and_the_socket_stays() {
    let redis = World::start().await;
    let service = start_service(&redis, &[KEY, NO_LEEWAY]).await;
    let producer = Producer::connect(&redis).await;
    let mut viewer = Viewer::connect(&service, &format!("run:a?token={}", token("run", 60))).await;
    for (run, seconds) in [("short", 2), ("renewed", 2), ("renewed", 60)] {
        let own = token(run, seconds);
        let message = json!({"type": "subscribe", "run": run, "channels": ["a", "b"], "token": own});
        viewer.send(&message.to_string()).await;
        assert_eq!(viewer.next_json().await["type"], "subscribed");
    }
    let told: Value = viewer.next_json().await;
    let reason = "the access token has expired";
    let expected =
        json!({"type": "refused", "run": "short", "channels": ["a", "b"], "code": 4401, "reason": reason});
    assert_eq!(told, expected);
    for channel in ["short:a", "renewed:b"] {
        producer.publish(channel, channel).await;
    }
    assert_eq!(viewer.next_line().await, "renewed:b");
    producer.publish("run:a", "run").await;
    assert_eq!(viewer.next_line().await, "run");
    let foreign = json!({"type": "subscribe", "run": "x", "channels": ["a"], "token": token("y", 60)});
    viewer.send(&foreign.to_string()).await;
    assert_eq!(viewer.next_json().await["code"], 4403);
}
