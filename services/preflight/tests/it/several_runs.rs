//! Several runs on one socket.

use std::time::Duration;

use serde_json::{Value, json};
use test_support::eventually;

use crate::support::{TestEnv, Viewer};

/// Sends a request and returns what the server says of that run, and the checklists of other runs that came before.
async fn ask(viewer: &mut Viewer, kind: &str, run: &str) -> Value {
    viewer.send(&json!({"type": kind, "run": run}).to_string()).await;
    loop {
        let message = viewer.next_checklist().await;
        if message["type"] != "preflight" && message["type"] != "ping" {
            return message;
        }
    }
}

async fn read_until(viewer: &mut Viewer, run: Option<&str>, second: u64) -> Value {
    loop {
        let message = viewer.next_checklist().await;
        if message.get("run").and_then(Value::as_str) == run && message["last_modified"] == second {
            return message;
        }
    }
}

#[tokio::test]
async fn runs_are_added_to_an_open_socket_and_ended_and_the_run_of_the_url_is_as_ever() {
    let env = TestEnv::start(&[]).await;
    env.set("other", "timestamps:a", 1).await;
    let mut viewer = env.watch("run").await;
    let plain = viewer.next_text().await;
    assert!(plain.starts_with(r#"{"type":"preflight","checklist":{"#), "{plain}");
    viewer.send(r#"{"type":"subscribe","run":"other"}"#).await;
    assert_eq!(viewer.next_text().await, r#"{"type":"subscribed","run":"other"}"#);
    let named = viewer.next_text().await;
    let expected = plain.replacen(r#","checklist""#, r#","run":"other","checklist""#, 1);
    assert_eq!(named, format!(r#"{},"last_modified":1}}"#, &expected[..expected.len() - 1]));

    env.set("run", "timestamps:a", 2).await;
    assert!(read_until(&mut viewer, None, 2).await.get("run").is_none());
    env.set("other", "timestamps:a", 3).await;
    read_until(&mut viewer, Some("other"), 3).await;

    // What the socket has already is no second subscription.
    for run in ["other", "run"] {
        assert_eq!(ask(&mut viewer, "subscribe", run).await, json!({"type": "subscribed", "run": run}));
    }
    env.set("run", "timestamps:a", 4).await;
    assert!(viewer.next_checklist().await.get("run").is_none());
    viewer.expect_no_message(Duration::from_millis(300)).await;

    for run in ["other", "other", "never"] {
        assert_eq!(ask(&mut viewer, "unsubscribe", run).await, json!({"type": "unsubscribed", "run": run}));
    }
    env.set("other", "timestamps:a", 5).await;
    viewer.expect_no_message(Duration::from_millis(300)).await;
    // The run of the URL can be ended too; when it is added again it is a run like others.
    assert_eq!(ask(&mut viewer, "unsubscribe", "run").await["type"], "unsubscribed");
    env.set("run", "timestamps:a", 6).await;
    viewer.expect_no_message(Duration::from_millis(300)).await;
    assert_eq!(ask(&mut viewer, "subscribe", "run").await["type"], "subscribed");
    read_until(&mut viewer, Some("run"), 6).await;
}

#[tokio::test]
async fn what_cannot_be_watched_is_refused_and_the_socket_stays_open() {
    let vars = [
        ("PREFLIGHT_MAX_RUNS_PER_CLIENT", "3"),
        ("PREFLIGHT_MAX_RUNS", "4"),
        ("PREFLIGHT_MAX_RUN_SIZE", "1KB"),
    ];
    let env = TestEnv::start(&vars).await;
    env.set("large", "attrs:a", "x".repeat(2000)).await;
    let mut viewer = env.watch("run").await;
    viewer.next_text().await;
    let refused = |run: &str, code: u16| json!({"type": "refused", "run": run, "code": code});
    let without_reason = |mut message: Value| {
        assert!(message.as_object_mut().unwrap().remove("reason").is_some_and(|reason| reason.is_string()));
        message
    };
    let long = "ä".repeat(300);
    for (run, echo, code) in [
        ("no run", "no run", 4400),
        ("", "", 4400),
        (&long, &*"ä".repeat(256), 4400),
        ("large", "large", 4413),
    ] {
        assert_eq!(without_reason(ask(&mut viewer, "subscribe", run).await), refused(echo, code));
    }
    for run in ["b", "c"] {
        assert_eq!(ask(&mut viewer, "subscribe", run).await["type"], "subscribed");
    }
    assert_eq!(without_reason(ask(&mut viewer, "subscribe", "d").await), refused("d", 4429));
    eventually("the refused run is forgotten", async || env.service.metric("preflight_runs").await == 3.0)
        .await;
    let mut second = env.watch("d").await;
    second.next_text().await;
    assert_eq!(
        without_reason(ask(&mut second, "subscribe", "e").await),
        refused("e", 4429),
        "the instance is full"
    );
    // One that becomes too large later.
    env.set("b", "attrs:a", "x".repeat(2000)).await;
    let told = loop {
        let message = viewer.next_checklist().await;
        if message["type"] != "preflight" {
            break message;
        }
    };
    assert_eq!(without_reason(told), refused("b", 4413));
    // Its place is free again, and the others go on.
    eventually("the run is forgotten", async || env.service.metric("preflight_runs").await < 4.0).await;
    assert_eq!(ask(&mut viewer, "subscribe", "d").await["type"], "subscribed");
    env.set("c", "timestamps:a", 7).await;
    read_until(&mut viewer, Some("c"), 7).await;
    env.set("run", "timestamps:a", 8).await;
    read_until(&mut viewer, None, 8).await;
}

#[tokio::test]
async fn a_client_that_closes_leaves_all_its_runs_and_one_that_does_not_read_gets_the_latest_of_each() {
    let env = TestEnv::start(&[("PREFLIGHT_WRITE_TIMEOUT", "1m")]).await;
    let mut viewer = env.watch("run-0").await;
    viewer.next_text().await;
    let runs: Vec<String> = (1..20).map(|number| format!("run-{number}")).collect();
    for run in &runs {
        assert_eq!(ask(&mut viewer, "subscribe", run).await["type"], "subscribed");
    }
    // Checklists of 100 KB fill the kernel's buffers, and then the latest of each run waits.
    let lock = "x".repeat(1000);
    let locks: Vec<(String, String)> =
        (0..100).map(|n| (format!("locked:{n}{lock}"), "true".to_owned())).collect();
    for run in &runs {
        fred::interfaces::HashesInterface::hset::<(), _, _>(env.producer(run), run.as_str(), locks.clone())
            .await
            .unwrap();
    }
    for second in 1..=30 {
        for run in &runs {
            env.set(run, "timestamps:a", second).await;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    let mut left: std::collections::HashSet<&str> = runs.iter().map(String::as_str).collect();
    while !left.is_empty() {
        let message = viewer.next_checklist().await;
        if message["last_modified"] == 30 {
            left.remove(message["run"].as_str().unwrap());
        }
    }
    drop(viewer);
    eventually("nobody watches", async || {
        env.service.metric("preflight_connections{transport=\"websocket\"}").await == 0.0
    })
    .await;
    env.wait_until_subscribed(0).await;
    eventually("all runs are forgotten", async || env.service.metric("preflight_runs").await == 0.0).await;
}

#[tokio::test]
async fn a_flood_of_requests_on_one_socket_delays_no_other_viewer() {
    let env = TestEnv::start(&[]).await;
    let mut neighbour = env.watch("neighbour").await;
    neighbour.next_text().await;
    let mut flood = env.watch("run").await;
    let flood = tokio::spawn(async move {
        for number in 0..20_000 {
            let kind = if number % 2 == 0 { "subscribe" } else { "unsubscribe" };
            let message = json!({"type": kind, "run": format!("junk-{}", number / 2)}).to_string();
            // The server closes a client that asks and does not read.
            if futures_util::SinkExt::send(
                &mut flood.0,
                tokio_tungstenite::tungstenite::Message::text(message),
            )
            .await
            .is_err()
            {
                return;
            }
        }
    });
    for second in 1..=20 {
        env.set("neighbour", "timestamps:a", second).await;
        neighbour.read_until_modified(second).await;
    }
    flood.await.unwrap();
    eventually("nothing is left of it", async || env.service.metric("preflight_runs").await <= 2.0).await;
    env.wait_until_subscribed(1).await;
}
