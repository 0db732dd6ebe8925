//! Runs and channels to choose from, over HTTP.

use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};
use test_support::{ServiceProcess, TestRedis, eventually};

use crate::support::{Producer, Viewer, start_service};

const RECORDED: (&str, &str) = ("STATUS_HISTORY", "redis");

async fn get(service: &ServiceProcess, path: &str, headers: &[(&str, &str)]) -> (u16, String) {
    let mut request = reqwest::Client::new().get(format!("{}{path}", service.base_url()));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

/// The runs of a list, each with its channels, and whether all were looked at.
async fn list(service: &ServiceProcess, path: &str) -> (Vec<(String, Vec<String>)>, bool) {
    let (status, body) = get(service, path, &[]).await;
    assert_eq!(status, 200, "{body}");
    let body: Value = serde_json::from_str(&body).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let runs = body["runs"].as_array().unwrap().iter().map(|run| {
        let channels = run["channels"].as_array().unwrap();
        (text(&run["run"]), channels.iter().map(|channel| text(&channel["channel"])).collect())
    });
    (runs.collect(), body["complete"].as_bool().unwrap())
}

#[tokio::test]
async fn recorded_runs_are_listed_by_any_instance_with_their_channels() {
    let redis = TestRedis::start().await;
    let (service, producer) = (start_service(&redis, &[RECORDED]).await, Producer::connect(&redis).await);
    let empty = (200, r#"{"runs":[],"complete":true}"#.to_owned());
    assert_eq!(get(&service, "/runs", &[]).await, empty);
    for channel in ["batch;;x:a", "decimal-pleasing:wepp", "decimal-pleasing:log"] {
        producer.publish(channel, "a line").await;
    }
    let other = start_service(&redis, &[RECORDED]).await;
    eventually("all are listed", async || {
        let (mut runs, complete) = list(&other, "/runs").await;
        runs.sort();
        runs.iter_mut().for_each(|(_, channels)| channels.sort());
        let expected = [("batch;;x", vec!["a"]), ("decimal-pleasing", vec!["log", "wepp"])];
        let expected = expected
            .map(|(run, channels)| (run.to_owned(), channels.into_iter().map(str::to_owned).collect()));
        complete && runs == expected
    })
    .await;
    let (runs, _) = list(&other, "/runs?search=h;;x").await;
    assert_eq!(runs, [("batch;;x".to_owned(), vec!["a".to_owned()])]);
    let (_, body) = get(&other, "/runs?search=h;;x&limit=1", &[]).await;
    let start = r#"{"runs":[{"run":"batch;;x","channels":[{"channel":"a","last_line_at":"#;
    assert!(body.starts_with(start), "{body}");
    assert_eq!(get(&other, "/runs?limit=0", &[]).await.0, 400);
}

#[tokio::test]
async fn without_recorded_history_the_channels_that_the_instance_keeps_are_listed() {
    let redis = TestRedis::start().await;
    let (service, producer) = (start_service(&redis, &[]).await, Producer::connect(&redis).await);
    let mut viewer = Viewer::connect(&service, "r:a,b").await;
    producer.publish("r:b", "a line").await;
    viewer.next_text().await;
    let _whole_run = Viewer::connect(&service, "q:*").await;
    producer.publish("q:log", "a line").await;
    eventually("they are listed", async || {
        let (mut runs, complete) = list(&service, "/runs").await;
        runs.sort();
        let (q, r) = (vec!["log".to_owned()], vec!["b".to_owned(), "a".to_owned()]);
        complete && runs == [("q".to_owned(), q), ("r".to_owned(), r)]
    })
    .await;
}

#[tokio::test]
async fn runs_are_told_to_the_operator_and_to_holders_of_tokens_and_to_no_other_sites() {
    const KEY: &str = "a secret of sixteen bytes or more";
    let redis = TestRedis::start().await;
    let key = format!("secret:{KEY}");
    let service =
        start_service(&redis, &[("STATUS_TOKEN_KEY", &key), ("OPERATOR_TOKEN", "open sesame")]).await;
    let key = EncodingKey::from_secret(KEY.as_bytes());
    let token = |runs: &str| encode(&Header::default(), &json!({"runs": runs}), &key).unwrap();
    let bearer = |token: String| format!("Bearer {token}");
    let operator = bearer("open sesame".to_owned());
    let mut viewers = Vec::new();
    for run in ["r1", "r2", "x"] {
        let headers = [("Authorization", operator.as_str())];
        viewers
            .push(Viewer::connect_with_headers(service.port(), &format!("{run}:a"), &headers).await.unwrap());
    }
    assert_eq!(get(&service, "/runs", &[]).await.0, 401);
    for (authorization, expected) in [(operator, 3), (bearer(token("r*")), 2), (bearer(token("y")), 0)] {
        let (status, body) = get(&service, "/runs", &[("Authorization", &authorization)]).await;
        assert_eq!((status, body.matches(r#""run":"#).count()), (200, expected), "{body}");
    }
    let open = start_service(&redis, &[]).await;
    assert_eq!(get(&open, "/runs", &[("Origin", "https://evil.test")]).await.0, 403);
}
