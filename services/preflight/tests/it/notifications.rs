//! Redis with notifications off or incomplete, without CONFIG, and with few permissions.

use std::time::Duration;

use fred::interfaces::{ClientLike, KeysInterface};
use test_support::TestRedis;

use crate::support::{TestEnv, start};

const POLL: (&str, &str) = ("PREFLIGHT_POLL_INTERVAL", "300ms");

/// Creates a Redis user with these permissions. Returns the URL with which it connects.
async fn create_user(redis: &TestRedis, user: &str, rules: &str) -> String {
    let admin = redis.client().await;
    let args =
        ["SETUSER", user, "on", ">key"].into_iter().chain(rules.split(' ')).map(str::to_owned).collect();
    admin.custom::<(), String>(fred::cmd!("ACL"), args).await.unwrap();
    format!("redis://{user}:key@127.0.0.1:{}", redis.port())
}

/// Waits until `/ready` is 200 with a note that contains `text`.
async fn wait_for_note(env: &TestEnv, text: &str) {
    test_support::eventually("/ready shows the note", async || {
        let (status, body) = env.service.get("/ready").await;
        status == 200 && body.contains(text)
    })
    .await;
}

#[tokio::test]
async fn with_notifications_off_watched_runs_are_polled_and_log_ready_and_metric_say_so() {
    let env = TestEnv::start_with(&[], &[POLL]).await;
    wait_for_note(&env, "keyspace notifications are off, so watched runs are polled").await;
    assert_eq!(env.service.metric("preflight_notifications_enabled").await, 0.0);
    assert!(env.service.log().contains("set notify-keyspace-events to Kghxe"));
    let mut viewer = env.watch("run").await;
    viewer.next_text().await;
    for second in 1..=3 {
        env.set("run", "timestamps:a", second).await;
        viewer.read_until_modified(second).await;
    }
    env.producer("run").del::<(), _>("run").await.unwrap();
    viewer.read_until_modified(serde_json::Value::Null).await;
}

#[tokio::test]
async fn turning_notifications_on_or_off_while_it_runs_is_noticed() {
    let env = TestEnv::start_with(&[], &[POLL]).await;
    let set_flags = async |flags: &str| {
        let args = vec!["SET", "notify-keyspace-events", flags];
        env.producer("run").custom::<(), _>(fred::cmd!("CONFIG"), args).await.unwrap();
    };
    let mut viewer = env.watch("run").await;
    viewer.next_text().await;
    set_flags("Kghxe").await;
    test_support::eventually("notifications are reported", async || {
        env.service.get("/ready").await.1 == r#"{"ready":true}"#
    })
    .await;
    assert_eq!(env.service.metric("preflight_notifications_enabled").await, 1.0);
    set_flags("Kh").await;
    wait_for_note(&env, "deletion and expiry of runs are seen late").await;
    set_flags("").await;
    wait_for_note(&env, "keyspace notifications are off").await;
    env.set("run", "timestamps:a", 7).await;
    viewer.read_until_modified(7).await;
}

#[tokio::test]
async fn with_only_field_changes_reported_a_deletion_is_seen_at_the_next_recheck() {
    let vars = [("PREFLIGHT_RECHECK_INTERVAL", "1s")];
    let env = TestEnv::start_with(&["--notify-keyspace-events", "Kh"], &vars).await;
    let mut viewer = env.watch("run").await;
    env.set("run", "timestamps:a", 7).await;
    viewer.read_until_modified(7).await;
    env.producer("run").del::<(), _>("run").await.unwrap();
    viewer.read_until_modified(serde_json::Value::Null).await;
}

#[tokio::test]
async fn it_works_as_a_redis_user_without_config() {
    let mut env = TestEnv::start(&[]).await;
    let url = create_user(
        &env.redis,
        "plain",
        "~* &* +@read +@write +@pubsub +@connection +@transaction +info -config",
    )
    .await;
    env.service = start(&url, &[]).await;
    env.service.wait_until_ready().await;
    assert_eq!(env.service.get("/ready").await.1, r#"{"ready":true}"#);
    let mut viewer = env.watch("run").await;
    env.set("run", "timestamps:a", 7).await;
    viewer.read_until_modified(7).await;
}

#[tokio::test]
async fn it_works_as_a_redis_user_that_may_only_read() {
    let mut env = TestEnv::start(&[]).await;
    let url =
        create_user(&env.redis, "reader", "~* &* +@read +@pubsub +@connection +@transaction +info").await;
    env.service = start(&url, &[POLL]).await;
    env.service.wait_until_ready().await;
    wait_for_note(&env, "is not known, so watched runs are polled: NOPERM").await;
    let mut viewer = env.watch("run").await;
    env.set("run", "timestamps:a", 7).await;
    viewer.read_until_modified(7).await;
}

#[tokio::test]
async fn as_a_redis_user_that_may_not_subscribe_no_viewer_gets_another_runs_checklist() {
    let mut env = TestEnv::start(&[]).await;
    let url = create_user(
        &env.redis,
        "nosub",
        "~* resetchannels +@read +@write +@pubsub +@connection +@transaction +info",
    )
    .await;
    env.service = start(&url, &[POLL]).await;
    env.service.wait_until_ready().await;
    wait_for_note(&env, "may not be subscribed to, so watched runs are polled: NOPERM").await;
    let runs: Vec<String> = (1..=50).map(|n| format!("run-{n}")).collect();
    let mut viewers = futures_util::future::join_all(runs.iter().map(|run| env.watch(run))).await;
    for (n, run) in (1..).zip(&runs) {
        env.set(run, "timestamps:a", n).await;
    }
    for (n, viewer) in (1..).zip(&mut viewers) {
        let first = viewer.next_checklist().await;
        let last = if first["last_modified"].is_null() { viewer.next_checklist().await } else { first };
        assert_eq!(last["last_modified"], n);
        viewer.expect_no_message(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn a_key_of_another_type_counts_as_a_run_without_fields() {
    let env = TestEnv::start(&[]).await;
    env.producer("text").set::<(), _, _>("text", "x", None, None, false).await.unwrap();
    let mut viewer = env.watch("text").await;
    assert!(viewer.next_checklist().await["last_modified"].is_null());
    env.producer("text").del::<(), _>("text").await.unwrap();
    env.set("text", "timestamps:a", 7).await;
    viewer.read_until_modified(7).await;
}
