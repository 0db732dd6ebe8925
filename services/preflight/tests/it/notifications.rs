//! Redis as operators leave it: without notifications, with some of them, without CONFIG, with few permissions.

use std::time::Duration;

use fred::interfaces::{ClientLike, KeysInterface};
use test_support::TestRedis;

use crate::world::{World, start};

const POLL: (&str, &str) = ("PREFLIGHT_POLL_INTERVAL", "300ms");

async fn acl(redis: &TestRedis, user: &str, rules: &str) -> String {
    let admin = redis.client().await;
    let args =
        ["SETUSER", user, "on", ">key"].into_iter().chain(rules.split(' ')).map(str::to_owned).collect();
    admin.custom::<(), String>(fred::cmd!("ACL"), args).await.unwrap();
    format!("redis://{user}:key@127.0.0.1:{}", redis.port())
}

async fn until_noted(world: &World, part: &str) {
    test_support::eventually("/ready says it", async || {
        let (status, body) = world.service.get("/ready").await;
        status == 200 && body.contains(part)
    })
    .await;
}

#[tokio::test]
async fn where_notifications_are_off_watched_runs_are_polled_and_everybody_is_told() {
    let world = World::start_with(&[], &[POLL]).await;
    until_noted(&world, "keyspace notifications are off, so watched runs are polled").await;
    assert_eq!(world.service.metric("preflight_notifications_enabled").await, 0.0);
    assert!(world.service.log().contains("set notify-keyspace-events to Kghxe"));
    let mut viewer = world.watch("run").await;
    viewer.text().await;
    for second in 1..=3 {
        world.set("run", "timestamps:a", second).await;
        viewer.until_last_modified(second).await;
    }
    world.producer.del::<(), _>("run").await.unwrap();
    viewer.until_last_modified(serde_json::Value::Null).await;
}

#[tokio::test]
async fn notifications_that_are_turned_on_and_off_are_noticed() {
    let world = World::start_with(&[], &[POLL]).await;
    let set = async |flags: &str| {
        let args = vec!["SET", "notify-keyspace-events", flags];
        world.producer.custom::<(), _>(fred::cmd!("CONFIG"), args).await.unwrap();
    };
    let mut viewer = world.watch("run").await;
    viewer.text().await;
    set("Kghxe").await;
    test_support::eventually("the service listens", async || {
        world.service.get("/ready").await.1 == r#"{"ready":true}"#
    })
    .await;
    assert_eq!(world.service.metric("preflight_notifications_enabled").await, 1.0);
    set("Kh").await;
    until_noted(&world, "deletion and expiry of runs are seen late").await;
    set("").await;
    until_noted(&world, "keyspace notifications are off").await;
    world.set("run", "timestamps:a", 7).await;
    viewer.until_last_modified(7).await;
}

#[tokio::test]
async fn with_changes_alone_a_deletion_is_seen_at_the_next_recheck() {
    let vars = [("PREFLIGHT_RECHECK_INTERVAL", "1s")];
    let world = World::start_with(&["--notify-keyspace-events", "Kh"], &vars).await;
    let mut viewer = world.watch("run").await;
    world.set("run", "timestamps:a", 7).await;
    viewer.until_last_modified(7).await;
    world.producer.del::<(), _>("run").await.unwrap();
    viewer.until_last_modified(serde_json::Value::Null).await;
}

#[tokio::test]
async fn a_user_who_may_not_use_config_is_enough() {
    let mut world = World::start(&[]).await;
    let url = acl(&world.redis, "plain", "~* &* +@read +@write +@pubsub +@connection +info -config").await;
    world.service = start(&url, &[]).await;
    world.service.wait_until_ready().await;
    assert_eq!(world.service.get("/ready").await.1, r#"{"ready":true}"#);
    let mut viewer = world.watch("run").await;
    world.set("run", "timestamps:a", 7).await;
    viewer.until_last_modified(7).await;
}

#[tokio::test]
async fn a_user_who_may_only_read_is_enough() {
    let mut world = World::start(&[]).await;
    let url = acl(&world.redis, "reader", "~* &* +@read +@pubsub +@connection +info").await;
    world.service = start(&url, &[POLL]).await;
    world.service.wait_until_ready().await;
    until_noted(&world, "is not known, so watched runs are polled: NOPERM").await;
    let mut viewer = world.watch("run").await;
    world.set("run", "timestamps:a", 7).await;
    viewer.until_last_modified(7).await;
}

#[tokio::test]
async fn a_user_who_may_not_subscribe_never_gets_one_run_for_another() {
    let mut world = World::start(&[]).await;
    let url = acl(&world.redis, "deaf", "~* resetchannels +@read +@write +@pubsub +@connection +info").await;
    world.service = start(&url, &[POLL]).await;
    world.service.wait_until_ready().await;
    until_noted(&world, "may not be subscribed to, so watched runs are polled: NOPERM").await;
    let runs: Vec<String> = (1..=50).map(|n| format!("run-{n}")).collect();
    let mut viewers = futures_util::future::join_all(runs.iter().map(|run| world.watch(run))).await;
    for (n, run) in (1..).zip(&runs) {
        world.set(run, "timestamps:a", n).await;
    }
    for (n, viewer) in (1..).zip(&mut viewers) {
        let empty = viewer.answer().await;
        let last = if empty["last_modified"].is_null() { viewer.answer().await } else { empty };
        assert_eq!(last["last_modified"], n);
        viewer.silence(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn a_key_of_another_type_is_no_run() {
    let world = World::start(&[]).await;
    world.producer.set::<(), _, _>("text", "x", None, None, false).await.unwrap();
    let mut viewer = world.watch("text").await;
    assert!(viewer.answer().await["last_modified"].is_null());
    world.producer.del::<(), _>("text").await.unwrap();
    world.set("text", "timestamps:a", 7).await;
    viewer.until_last_modified(7).await;
}
