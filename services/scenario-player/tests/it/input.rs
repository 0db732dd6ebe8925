//! A wrong request is answered with what is wrong and where. The instance goes on working.

use serde_json::{Value, json};
use test_support::ServiceProcess;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{get_json, post, send, start_standalone, walk};

/// Status and detail of the answer to a post.
async fn post_body(player: &ServiceProcess, path: &str, body: impl Into<reqwest::Body>) -> (u16, String) {
    let url = format!("{}{path}", player.base_url());
    let answer = reqwest::Client::new().post(url).body(body).send().await.unwrap();
    let status = answer.status().as_u16();
    (status, answer.json::<Value>().await.unwrap()["detail"].as_str().unwrap().to_owned())
}

fn with_step(step: &Value) -> String {
    let good = json!({"type": "MOVE", "location": {"x": 1, "y": 2}, "timestamp": 1});
    json!({"customer": {"customer_id": "1"}, "path": [good, step]}).to_string()
}

#[tokio::test]
async fn bad_input_is_refused_with_what_is_wrong_and_where() {
    let player = start_standalone(&[]).await;
    let location = json!({"x": 1, "y": 2});
    for (body, status, detail) in [
        (
            with_step(
                &json!({"type": "MOVE", "location": location, "timestamp": "2021-04-14T08:40:15.513000"}),
            ),
            422,
            "path[1].timestamp: must be ISO 8601 with a zone, such as 2021-04-14T08:40:15.513000+00:00 at line 1",
        ),
        (
            with_step(&json!({"type": "RUN", "location": location, "timestamp": 1})),
            422,
            "path[1].type: invalid value: string \"RUN\", expected ENTER, MOVE, EXIT or FOCUS at line 1",
        ),
        (
            with_step(&json!({"type": "MOVE", "location": {"x": 1}, "timestamp": 1})),
            422,
            "path[1].location: missing field `y`",
        ),
        (
            with_step(&json!({"type": "MOVE", "location": {"x": 1e300, "y": 1}, "timestamp": 1})),
            422,
            "path[1].location.x: must lie between",
        ),
        (
            with_step(&json!({"type": "MOVE", "location": location, "timestamp": -1})),
            422,
            "path[1].timestamp: must lie between the years 1970",
        ),
        (
            with_step(&json!({"type": "MOVE", "location": location})),
            422,
            "path[1]: missing field `timestamp`",
        ),
        (json!({"customer": {"customer_id": "1"}}).to_string(), 422, "body: missing field `path`"),
        (
            json!({"customer": {"customer_id": "1"}, "path": []}).to_string(),
            422,
            "path: must have at least one step",
        ),
        (
            json!({"customer": {"customer_id": ""}, "path": []}).to_string(),
            422,
            "customer.customer_id: a customer id must be a text of 1 to 256 characters",
        ),
        ("{\"customer\"".to_owned(), 400, "the body is not JSON: EOF"),
        ("customer=1".to_owned(), 400, "the body is not JSON: expected value at line 1 column 1"),
        (String::new(), 400, "the body is not JSON: EOF"),
    ] {
        let (got, text) = post_body(&player, "/scenario", body.clone()).await;
        assert_eq!(got, status, "{body}: {text}");
        assert!(text.starts_with(detail), "{body}: {text}");
    }
    let (status, text) =
        post_body(&player, "/scenario?recalculate_time=perhaps", with_step(&json!({}))).await;
    assert_eq!((status, text.as_str()), (422, "recalculate_time: must be true or false"));
    let (status, text) = player.get("/state?timestamp=2021-04-14T08:40:15").await;
    assert!(status == 422 && text.contains("timestamp: must be ISO 8601 with a zone"), "{text}");
    post(&player, &walk("1", 1, 1, 1)).await;
}

#[tokio::test]
async fn what_the_originals_validator_takes_has_the_same_result() {
    let player = start_standalone(&[]).await;
    let step = |timestamp: &str| {
        format!(r#"{{"type":"MOVE","location":{{"x":"936","y":-51.9}},"timestamp":{timestamp}}}"#)
    };
    for (id, shown_id, timestamp, shown_time) in [
        ("7", "7", "4618323771", "2116-05-07T19:42:51.000000+00:00"),
        ("1.5", "1.5", "\"4618323771.5\"", "2116-05-07T19:42:51.500000+00:00"),
        ("true", "True", "4618323771180", "2116-05-07T19:42:51.180000+00:00"),
        ("\"8\"", "8", "\"4618323771180\"", "2116-05-07T19:42:51.180000+00:00"),
    ] {
        let body = format!(r#"{{"customer":{{"customer_id":{id}}},"path":[{}]}}"#, step(timestamp));
        let url = format!("{}/scenario", player.base_url());
        let answer = reqwest::Client::new().post(url).body(body).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
        let shown = get_json(&player, &format!("/scenarios/{shown_id}")).await;
        let expected = json!({"type": "MOVE", "location": {"x": 936, "y": -51}, "timestamp": shown_time});
        assert_eq!(shown["path"], json!([expected]), "{timestamp}");
    }
    let (status, text) =
        post_body(&player, "/scenario", r#"{"customer":{"customer_id":"1"},"path":null}"#).await;
    assert_eq!((status, text.as_str()), (422, "path: must have at least one step"));
}

#[tokio::test]
async fn a_time_at_the_end_of_all_times_is_refused_or_breaks_nothing() {
    let player = start_standalone(&[]).await;
    let last = "9999-12-30T22:00:00Z";
    for (time, status) in [("9999-12-31T23:59:59Z", 422), (last, 200), ("9999-12-31T00:00:00+02:00", 200)] {
        let step = json!({"type": "MOVE", "location": {"x": 1, "y": 2}, "timestamp": time});
        let scenario = json!({"customer": {"customer_id": "1"}, "path": [step, step]});
        let (got, answer) = send(&player, "POST", "/scenario", &scenario).await;
        assert_eq!(got, status, "{time}: {answer}");
        if status == 422 {
            assert!(answer["detail"].as_str().unwrap().contains("not after 9999-12-30"), "{answer}");
        }
    }
    for change in [json!({"speed": 0.1}), json!({"position_ms": u64::MAX}), json!({"loop": true})] {
        assert_eq!(send(&player, "PATCH", "/scenarios/1/playback", &change).await.0, 200, "{change}");
    }
    for path in ["/timeline", "/scenarios", "/state", "/scenarios/1", "/state?timestamp=9999-12-30T22:00:00Z"]
    {
        get_json(&player, path).await;
    }
}

#[tokio::test]
async fn a_request_that_is_too_large_is_413_and_the_instance_goes_on() {
    let player = start_standalone(&[]).await;
    let (status, text) = post_body(&player, "/scenario", vec![b' '; 100 << 20]).await;
    assert_eq!((status, text.as_str()), (413, "the body is larger than 33554432 bytes"));

    let step = r#"{"type":"MOVE","location":{"x":1,"y":2},"timestamp":1}"#;
    let million =
        format!(r#"{{"customer":{{"customer_id":"1"}},"path":[{}]}}"#, vec![step; 1_000_000].join(","));
    assert_eq!(post_body(&player, "/scenario", million).await.0, 413);
    let more = format!(r#"{{"customer":{{"customer_id":"1"}},"path":[{}]}}"#, vec![step; 500_001].join(","));
    let (status, text) = post_body(&player, "/scenario", more).await;
    assert_eq!((status, text.as_str()), (413, "path: has 500001 steps, more than 500000"));
    assert_eq!(player.get("/timeline").await, (200, "[]".to_owned()));
    post(&player, &walk("1", 1, 1, 1)).await;
}

#[tokio::test]
async fn every_route_and_answer_is_in_the_document() {
    let player = start_standalone(&[]).await;
    let document: Value = serde_json::from_str(&player.get("/openapi.json").await.1).unwrap();
    let paths: Vec<&str> = document["paths"].as_object().unwrap().keys().map(String::as_str).collect();
    for path in [
        "/scenario",
        "/scenario_draft",
        "/state",
        "/scenarios",
        "/scenarios/{customer_id}",
        "/timeline",
        "/events",
    ] {
        assert!(paths.contains(&path), "{path} is not in {paths:?}");
    }
    assert_eq!(
        document["servers"][0]["url"], ".",
        "relative to the document, for proxies that add a path prefix"
    );
    let (status, page) = player.get("/docs/").await;
    assert!(status == 200 && page.contains("swagger-ui"), "{page}");
    assert_eq!(player.get("/docs").await.0, 200, "after the redirect");
}

/// schemathesis, from `BACKPLANE_PYTHON`'s environment, which scripts/test.sh prepares.
#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "a test has no settings of a service")]
async fn schemathesis_finds_no_failure_and_no_answer_that_is_not_documented() {
    let Ok(python) = std::env::var("BACKPLANE_PYTHON") else {
        eprintln!("NOT RUN: schemathesis needs BACKPLANE_PYTHON; run scripts/test.sh");
        return;
    };
    let player = start_standalone(&[]).await;
    let schemathesis = std::path::Path::new(&python).with_file_name("schemathesis");
    let output = tokio::process::Command::new(schemathesis)
        .args(["run", &format!("{}/openapi.json", player.base_url())])
        .args([
            "--checks",
            "not_a_server_error,status_code_conformance,response_schema_conformance,content_type_conformance",
        ])
        .args(["--exclude-path", "/events", "--max-examples", "40", "--seed", "7", "--no-color"])
        .current_dir(player.dir())
        .output()
        .await
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(player.get("/health").await.0, 200);
}

#[tokio::test]
async fn a_body_of_unknown_length_is_taken_up_to_the_limit_even_if_that_is_small() {
    let player = start_standalone(&[("MAX_BODY_BYTES", "1KB")]).await;
    post(&player, &walk("1", 1_000, 3, 1)).await;
    let many = "x".repeat(1_100);
    for (rest, status) in [
        ("\r\n".to_owned(), 200),
        ("Transfer-Encoding: chunked\r\n\r\nb\r\n{\"speed\":2}\r\n0\r\n\r\n".to_owned(), 200),
        (format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{many}\r\n0\r\n\r\n", many.len()), 413),
    ] {
        let mut stream = TcpStream::connect(("127.0.0.1", player.port())).await.unwrap();
        let head = "POST /scenarios/1/replay HTTP/1.1\r\nHost: x\r\nConnection: close\r\n";
        stream.write_all(format!("{head}{rest}").as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{rest}: {answer}");
    }
}
